import type { AuditLogEvent } from '../event/audit-log-event.js';
import { isWithin } from '../event/event-checks.js';
import { pages } from '../event/pages.js';
import { present } from '../event/present.js';
import { safeText } from '../event/safe-text.js';
import { eventLeafHash } from '../ledger/canonical-event.js';
import { toAscii } from './ascii.js';
import { EVENT, LETTER } from './audit.entities.js';
import type { AuditDatabase } from './audit-database.js';
import type { AuditEventRepository } from './audit-event.repository.js';
import { toInteger } from './column-value.js';
import { judgeLetter, letterIdOf, letterLine, tenantFormsOf } from './dead-letter.js';
import type { LetterRow } from './dead-letter.js';
import { leafHashOf } from './event-leaf.js';
import { EVENT_COLUMNS, numberOf } from './event-row.js';
import type { EventColumn, EventRow } from './event-row.js';
import { insertRows } from './insert-rows.js';
import { isSealed, LedgerRepository } from './ledger.repository.js';
import { ask, columnsOf, countRows, id, idAfter, isId, limit, list, sql } from './sql.js';
import type { Row, Sql } from './sql.js';
import type { StatementSigner, StatementTrust } from './statement-signer.js';
import { classifyStoreError, unavailable } from './store-error.js';

/** An event that the database refused alone, and that is kept apart until it is replayed. */
export interface AuditDeadLetter {
  /**
   * As it was recorded: nothing of it was changed to fit. Of a letter that can't be read, what can be, with
   * `metadata.unreadable`.
   */
  readonly event: AuditLogEvent;
  /** What the database said, in one line of ASCII. It may quote what the event holds. */
  readonly reason: string;
  /** Unix epoch, milliseconds. */
  readonly refusedAt: number;
  /** Why the letter is not believed, and not replayed: anybody may have written it. Absent where nothing is wrong with it. */
  readonly untrusted?: string;
}

/** A letter as verification looks at it. */
export interface ScannedLetter {
  /** Of its row; it may be anything. */
  readonly id: unknown;
  /** Why it is not believed. */
  readonly untrusted?: string;
  /** Its event's number. */
  readonly source: string | null;
  readonly sequence: number | null;
  /** Its event is stored, or was and is in the log. */
  readonly isReplayed: boolean;
  /** The event that is stored under its id is another. */
  readonly isReplaced: boolean;
}

const COLUMNS = columnsOf('d', LETTER);

/** Characters of the column. */
const REASON_LIMIT = 1_024;
/** Letters that one statement reads. */
const SCAN_PAGE = 20;

/**
 * The events that could not be stored as they are. The table takes them whatever is in them: all text is ASCII, and
 * the event is one long text. A user with INSERT and SELECT is enough: a letter is never changed or deleted, and one
 * that was replayed is known by its id in `audit_events`, or in the log once retention has removed the event.
 *
 * So anybody with that user may write letters too. A process with a key signs its own, and no others are believed where
 * there are keys. Every method may throw `AUDIT_STORE_UNAVAILABLE`.
 */
export class DeadLetterRepository {
  /**
   * @param trust whose letters are believed
   * @param signer signs those of this process
   */
  constructor(
    private readonly database: AuditDatabase,
    private readonly events: AuditEventRepository,
    private readonly trust: StatementTrust = { verifiers: [] },
    private readonly signer?: StatementSigner,
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
    for (const tenant of tenantFormsOf(event.tenantId)) {
      try {
        return await this.insert(event, reason, tenant, signal);
      } catch (error) {
        const failure = classifyStoreError(error);
        if (failure === 'duplicate' && (await this.has(letterIdOf(event)))) return;
        if (failure !== 'refused') throw error;
        // Somebody may have made the column narrower than ids can be.
        refused = error;
      }
    }
    throw refused;
  }

  /**
   * What is not replayed yet, in the order of ids. A tenant is shown only the letters whose row and event both are its own.
   *
   * @param page `limit`: most letters to answer, each may take some hundred kilobytes; `after`: the id after
   *   which the page begins
   */
  async find(page: {
    readonly tenantId?: string;
    readonly limit: number;
    readonly after?: string;
  }): Promise<AuditDeadLetter[]> {
    const letters: AuditDeadLetter[] = [];
    const count = Math.min(page.limit, SCAN_PAGE);
    const size = (await new LedgerRepository(this.database).head())?.treeSize ?? 0;
    const found = pages<LetterRow>(count, (last) =>
      this.waiting(String(last?.id ?? page.after ?? ''), count, size, page.tenantId),
    );
    for await (const rows of found) {
      for (const row of rows) {
        const { event, untrusted, isReadable } = judgeLetter(row, this.trust);
        if (!isReadable) this.events.noteUnreadable('dead letter', row.id);
        if (page.tenantId !== undefined && page.tenantId !== event.tenantId) continue;
        const time = toInteger(row.timestamp);
        letters.push({
          event,
          reason: safeText(String(row.reason), REASON_LIMIT),
          refusedAt: isWithin(Number.MAX_SAFE_INTEGER)(time) ? time : 0,
          ...present('untrusted', untrusted),
        });
        if (letters.length === page.limit) return letters;
      }
    }
    return letters;
  }

  /**
   * Tries to store the events of the letters, one after another. One that is refused again stays a letter; one that is not
   * believed is refused without a try.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; what was stored until then, is stored
   */
  async replay(letters: readonly AuditDeadLetter[]): Promise<{ replayed: number; refused: number }> {
    let refused = 0;
    for (const { event, untrusted } of letters) {
      if (untrusted !== undefined) {
        refused += 1;
        continue;
      }
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

  /**
   * All letters there are, for verification.
   *
   * @param trust whose are believed
   * @param size leaves of the log
   */
  async *scan(trust: StatementTrust, size: number): AsyncGenerator<ScannedLetter, void> {
    // On SQLite an id may be anything: pages go on from it as it is.
    const found = pages<ScannedRow>(SCAN_PAGE, (last) =>
      ask<ScannedRow>(
        this.database,
        sql`SELECT ${COLUMNS}, ${columnsOf('e', EVENT, 'stored_')}, l.leaf_index AS leaf_index, d.id AS place
          FROM audit_dead_letters d
          LEFT JOIN audit_events e ON e.id = d.id
          LEFT JOIN audit_leaves l ON l.event_id = d.id AND ${isSealed('l', size)}
          WHERE ${last ? sql`d.id > ${last.place}` : sql`1 = 1`} ORDER BY d.id ${limit(SCAN_PAGE)}`,
      ),
    );
    for await (const page of found) for (const row of page) yield scanned(row, trust);
  }

  /** The rows of letters that are not replayed, after an id. Verification names those without one, as SQLite may have them. */
  private waiting(after: string, count: number, size: number, tenantId?: string): Promise<LetterRow[]> {
    const isTenants =
      tenantId === undefined ? sql`1 = 1` : sql`d.tenant_id IN (${list(tenantFormsOf(tenantId))})`;
    return ask<LetterRow & Row>(
      this.database,
      sql`SELECT ${COLUMNS} FROM audit_dead_letters d
        WHERE ${isWaiting(size)}
          AND ${isTenants} AND d.id >= ${idAfter(after)} AND ${isId('d.id')} ORDER BY d.id ${limit(count)}`,
    );
  }

  private async insert(
    event: AuditLogEvent,
    reason: string,
    tenant: string,
    signal?: AbortSignal,
  ): Promise<void> {
    const [source, sequence] = numberOf(event);
    const row = {
      id: letterIdOf(event),
      tenant_id: tenant,
      source,
      sequence,
      timestamp: Date.now(),
      reason: toAscii(reason.slice(0, REASON_LIMIT)).slice(0, REASON_LIMIT),
      event: toAscii(JSON.stringify(event)),
    };
    const about = `The dead letter of the audit event ${event.id}`;
    const statement = await this.signer?.sign('dead-letter', [letterLine(row)], about);
    const signed = statement === undefined ? null : toAscii(JSON.stringify(statement));
    const rows = [[...Object.values(row), signed]];
    const { manager } = this.database.ready();
    await insertRows(manager, { table: 'audit_dead_letters', columns: LETTER, rows }, signal);
  }

  private async has(letterId: string): Promise<boolean> {
    return (await countRows(this.database, sql`audit_dead_letters WHERE id = ${id(letterId)}`)) > 0;
  }
}

/** Whether the event of a letter, whose table is `d`, is neither stored nor in the log. @param size of the log */
export function isWaiting(size: number): Sql {
  return sql`NOT EXISTS (SELECT 1 FROM audit_events e WHERE e.id = d.id)
    AND NOT EXISTS (SELECT 1 FROM audit_leaves l WHERE l.event_id = d.id AND ${isSealed('l', size)})`;
}

type ScannedRow = LetterRow &
  Row &
  Readonly<Record<`stored_${EventColumn}`, string | number | null>> & { readonly place: string };

function scanned(row: ScannedRow, trust: StatementTrust): ScannedLetter {
  const { event, untrusted } = judgeLetter(row, trust);
  const [source, sequence] = numberOf(event);
  const isStored = row['stored_id'] !== null;
  const isChanged = () => {
    const stored = EVENT_COLUMNS.map((column) => [column, row[`stored_${column}`]]);
    return !leafHashOf(Object.fromEntries(stored) as EventRow).equals(eventLeafHash(event));
  };
  return {
    id: row.id,
    ...present('untrusted', untrusted),
    source,
    sequence,
    isReplayed: isStored || row.leaf_index !== null,
    isReplaced: isStored && untrusted === undefined && isChanged(),
  };
}
