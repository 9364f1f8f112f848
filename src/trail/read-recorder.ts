import { AuditError, errorNameOf } from '../event/audit-error.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { readEntries } from '../event/flatten.js';
import { present } from '../event/present.js';
import { isTenantId } from '../event/safe-text.js';
import type { AskedFor } from './asked-for.js';

/** The methods of `AuditService` that show events. */
export type ReadMethod =
  | 'find'
  | 'findById'
  | 'history'
  | 'stream'
  | 'statistics'
  | 'observe'
  | 'deadLetters'
  | 'prove'
  | 'exportSubject';

/** Records an event as the application's own; resolves once it is as safe as the delivery mode promises. */
type Recording = (event: AuditEventInput) => Promise<AuditLogEvent>;

/** How a read that goes on for a while has ended. */
interface Ending {
  readonly returned: number;
  readonly outcome: 'success' | 'failure' | 'partial';
  readonly error?: unknown;
}

/** Records who looks at the audit, with what filter, and how many events came back; or passes by, where that is not asked for. */
export class ReadRecorder {
  constructor(
    private readonly isOn: boolean,
    private readonly asked: AskedFor,
    private readonly record: Recording,
  ) {}

  /**
   * A read that is answered at once. Its answer is given once its event is safe: where that can't be recorded, nothing is shown.
   *
   * @param query what the caller gave, whatever it is
   * @param count how many events the answer shows, or counts
   * @param id of the event that is asked for, whatever it is
   * @throws what the read throws; as `AuditService.record()`
   */
  async answered<T>(
    method: ReadMethod,
    query: unknown,
    read: () => Promise<T>,
    count: (answer: T) => number,
    id?: unknown,
  ): Promise<T> {
    if (!this.isOn) return read();
    let answer: T;
    try {
      answer = await read();
    } catch (error) {
      await this.refused(method, query, error, id);
      throw error;
    }
    await this.record(await this.eventOf(method, query, { returned: count(answer) }, id));
    return answer;
  }

  /**
   * A read that hands out events one after another: recorded before the first of them, and again when it ends.
   *
   * @param read throws at once where the query is wrong
   */
  streamed(
    method: ReadMethod,
    query: unknown,
    read: () => AsyncIterable<AuditLogEvent>,
  ): AsyncIterable<AuditLogEvent> {
    const events = this.begins(method, query, read);
    return this.isOn ? this.handedOut(method, query, events) : events;
  }

  /** What comes before a read that goes on for a while, and throws where the query is wrong. */
  begins<T>(method: ReadMethod, query: unknown, check: () => T): T {
    try {
      return check();
    } catch (error) {
      if (this.isOn) void this.refused(method, query, error);
      throw error;
    }
  }

  /** Records that a read has begun that goes on for a while. @returns how to say that it has ended; never throws then */
  async begun(method: ReadMethod, query: unknown): Promise<(ending: Ending) => Promise<void>> {
    if (!this.isOn) return () => Promise.resolve();
    const { id } = await this.record(await this.eventOf(method, query, {}));
    return async ({ returned, outcome, error }) => {
      const details = { readId: id, returned, ...(error !== undefined && { error: nameOf(error) }) };
      const event = await this.eventOf(method, query, details);
      const ended = { ...event, action: 'audit.read-end', outcome };
      // What is dropped for want of room is counted and reported by delivery itself.
      await this.record(ended).catch(() => undefined);
    };
  }

  /** Whether reads are recorded. */
  get records(): boolean {
    return this.isOn;
  }

  private async *handedOut(
    method: ReadMethod,
    query: unknown,
    events: AsyncIterable<AuditLogEvent>,
  ): AsyncGenerator<AuditLogEvent, void> {
    const end = await this.begun(method, query);
    let ending: Ending = { returned: 0, outcome: 'partial' };
    try {
      for await (const event of events) {
        ending = { ...ending, returned: ending.returned + 1 };
        yield event;
      }
      ending = { ...ending, outcome: 'success' };
    } catch (error) {
      ending = { ...ending, outcome: 'failure', error };
      throw error;
    } finally {
      await end(ending);
    }
  }

  /** The caller is told what was wrong with the read, not with the record of it. */
  private async refused(method: ReadMethod, query: unknown, error: unknown, id?: unknown): Promise<void> {
    try {
      const event = await this.eventOf(method, query, { returned: 0, error: nameOf(error) }, id);
      await this.record({ ...event, outcome: 'failure' });
    } catch {
      // What is dropped for want of room is counted and reported by delivery itself.
    }
  }

  private async eventOf(
    method: ReadMethod,
    query: unknown,
    more: Readonly<Record<string, unknown>>,
    id?: unknown,
  ): Promise<AuditEventInput> {
    const own: Record<string, unknown> = Object.fromEntries(
      typeof query === 'object' && query !== null ? readEntries(query) : [],
    );
    const { tenantId, allTenants, reveal, limit, order, cursor, ...filter } = {
      ...own,
      ...present('id', id),
    } as Record<string, unknown>;
    const tenant =
      typeof tenantId === 'string' && tenantId !== '' && isTenantId(tenantId) ? tenantId : undefined;
    return {
      action: 'audit.read',
      resource: 'audit',
      category: 'data_access',
      // Whose events were looked at; of everybody's, the event is in the reader's own tenant.
      ...present('tenantId', tenant),
      details: {
        method,
        ...(allTenants === true && { allTenants }),
        ...(reveal === true && { reveal }),
        filter: await this.asked.filter(filter, tenant ?? ''),
        ...present('limit', isPlain(limit) ? limit : undefined),
        ...present('order', isPlain(order) ? order : undefined),
        // A cursor is a text that nobody can read: that there was one says that it was not the first page.
        ...(cursor !== undefined && { continued: true }),
        ...more,
      },
    };
  }
}

/** Whether it says something of the page: a text of a client's in its place says nothing. */
function isPlain(value: unknown): boolean {
  return typeof value === 'number' || value === 'newest' || value === 'oldest';
}

function nameOf(error: unknown): string {
  return error instanceof AuditError ? error.code : errorNameOf(error);
}
