import { createHash } from 'node:crypto';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { TEXT_LIMITS } from '../event/safe-text.js';
import { unavailable } from './answer.js';
import { toAscii } from './ascii.js';
import type { AuditDatabase } from './audit-database.js';
import type { AuditEventRepository } from './audit-event.repository.js';
import { numberOf } from './event-row.js';
import { insertRows } from './insert-rows.js';
import { ask, askBuilt, sqlOf } from './sql.js';
import { classifyStoreError } from './store-error.js';
import { quoted, tableName } from './table-name.js';

/** An event that the database refused for itself, and that is kept apart until it is replayed. */
export interface AuditDeadLetter {
  /** As it was recorded: nothing of it was changed to fit. */
  readonly event: AuditLogEvent;
  /** What the database said, in one line of ASCII. It may quote what the event holds. */
  readonly reason: string;
  /** Unix epoch, milliseconds. */
  readonly refusedAt: number;
}

const COLUMNS = ['id', 'tenant_id', 'source', 'sequence', 'timestamp', 'reason', 'event'] as const;

/** Characters of the column. */
const REASON_LIMIT = 1_024;

/**
 * The events that could not be stored as they are. The table takes them whatever is in them: all text is ASCII, and
 * the event is one long text. A user with INSERT and SELECT is enough: a letter is never changed or deleted, and one
 * that was replayed is known by its id in `audit_events`.
 */
export class DeadLetterRepository {
  constructor(
    private readonly database: AuditDatabase,
    private readonly events: AuditEventRepository,
  ) {}

  /**
   * Keeps the event. When it returns, it is committed; where it was kept before, nothing changes.
   *
   * @param reason what the database said
   * @param signal ends it, see `runStatement`
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error, see `classifyStoreError`
   */
  async keep(event: AuditLogEvent, reason: string, signal?: AbortSignal): Promise<void> {
    let refused: unknown;
    for (const tenant of formsOf(event.tenantId)) {
      try {
        return await this.insert(event, reason, tenant, signal);
      } catch (error) {
        const failure = classifyStoreError(error);
        if (failure === 'duplicate' && (await this.has(event.id))) return;
        if (failure !== 'refused') throw error;
        // Somebody may have made the column narrower than ids can be.
        refused = error;
      }
    }
    throw refused;
  }

  /**
   * What is not replayed yet, in the order of ids.
   *
   * @param page `limit`: most letters to answer, each may take some hundred kilobytes; `after`: the id that the page
   *   begins behind
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async find(page: {
    readonly tenantId?: string;
    readonly limit: number;
    readonly after?: string;
  }): Promise<AuditDeadLetter[]> {
    const source = this.database.ready();
    const events = quoted(source, tableName(source, 'audit_events'));
    const query = source
      .createQueryBuilder()
      .select('d.event', 'event')
      .addSelect('d.reason', 'reason')
      .addSelect('d.timestamp', 'timestamp')
      .from<Record<string, unknown>>(tableName(source, 'audit_dead_letters'), 'd')
      .where(`NOT EXISTS (SELECT 1 FROM ${events} e WHERE e.id = d.id)`)
      .orderBy('d.id', 'ASC')
      .limit(page.limit);
    if (page.tenantId !== undefined) {
      query.andWhere('d.tenant_id IN (:...tenants)', { tenants: formsOf(page.tenantId) });
    }
    if (page.after !== undefined) query.andWhere('d.id > :after', { after: page.after });
    return (await askBuilt<LetterRow>(this.database, query)).map(fromLetterRow);
  }

  /**
   * Tries to store the events of the letters, one after another. One that is refused again stays a letter.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; what was stored until then, is stored
   */
  async replay(letters: readonly AuditDeadLetter[]): Promise<{ replayed: number; refused: number }> {
    let refused = 0;
    for (const { event } of letters) {
      try {
        await this.events.append([event]);
      } catch (error) {
        const failure = classifyStoreError(error);
        if (failure === 'away') throw unavailable(error);
        // A duplicate was replayed by somebody else at the same time.
        if (failure !== 'duplicate') refused += 1;
      }
    }
    return { replayed: letters.length - refused, refused };
  }

  private insert(event: AuditLogEvent, reason: string, tenant: string, signal?: AbortSignal): Promise<void> {
    const line = toAscii(reason.slice(0, REASON_LIMIT)).slice(0, REASON_LIMIT);
    const row = [event.id, tenant, ...numberOf(event), Date.now(), line, toAscii(JSON.stringify(event))];
    return insertRows(this.database.ready().manager, 'audit_dead_letters', COLUMNS, [row], signal);
  }

  private async has(id: string): Promise<boolean> {
    const { q, table, next } = sqlOf(this.database);
    const rows = await ask(
      this.database,
      `SELECT ${q('id')} FROM ${table('audit_dead_letters')} WHERE ${q('id')} = ${next()}`,
      [id],
    );
    return rows.length > 0;
  }
}

interface LetterRow {
  readonly event: string;
  readonly reason: string;
  readonly timestamp: number | string;
}

/** The letter that a row holds. The row is trusted to be what `keep` wrote. */
function fromLetterRow(row: LetterRow): AuditDeadLetter {
  return {
    event: JSON.parse(row.event) as AuditLogEvent,
    reason: row.reason,
    refusedAt: Number(row.timestamp),
  };
}

const DIGEST = 'sha256-';
const READABLE = new RegExp(`^(?!${DIGEST})[ -~]{1,${TEXT_LIMITS.tenantId}}$`);

/**
 * How a tenant's id may stand in the table: as it is where it is ASCII, and always a short digest of it. No tenant's id
 * is another's digest, so no tenant's letters are found by another.
 */
function formsOf(tenantId: string): string[] {
  const digest = DIGEST + createHash('sha256').update(tenantId).digest('base64url').slice(0, 28);
  return READABLE.test(tenantId) ? [tenantId, digest] : [digest];
}
