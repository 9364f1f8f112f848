import { AuditError, errorNameOf } from '../../event/audit-error.js';
import type { AuditEventInput } from '../../event/audit-event-input.js';
import { readEntries } from '../../event/flatten.js';
import { defined } from '../../event/present.js';
import { raise } from '../../event/raised-event.js';
import { isTenantId } from '../../event/safe-text.js';
import type { AuditService } from '../../trail/audit.service.js';
import type { AuditRead, ReadEnding, ReadObserver } from '../../trail/reads.js';
import { READ, READ_END } from './raised-events.js';

/** Records who looks at the audit, with what filter, and how many events came back. */
export class ReadRecorder implements ReadObserver {
  constructor(
    private readonly words: (filter: Readonly<Record<string, unknown>>, tenantId: string) => Promise<object>,
    private readonly audit: Pick<AuditService, 'record'>,
  ) {}

  async answered(read: AuditRead, { returned, outcome, error }: ReadEnding): Promise<void> {
    await this.audit.record(await this.eventOf(read, { returned, ...nameOf(error) }, outcome));
  }

  async begun(read: AuditRead): Promise<(ending: ReadEnding) => Promise<void>> {
    const { id } = await this.audit.record(await this.eventOf(read, {}, 'success'));
    return async ({ returned, outcome, error }) => {
      const event = await this.eventOf(read, { readId: id, returned, ...nameOf(error) }, outcome);
      // What is dropped without room is counted and reported by delivery itself.
      await this.audit.record({ ...event, action: READ_END.action }).catch(() => undefined);
    };
  }

  private async eventOf(
    { method, query, id }: AuditRead,
    more: Readonly<Record<string, unknown>>,
    outcome: ReadEnding['outcome'],
  ): Promise<AuditEventInput> {
    const given = typeof query === 'object' && query !== null ? readEntries(query) : [];
    const { tenantId, allTenants, reveal, limit, order, cursor, ...filter } = {
      ...Object.fromEntries(given),
      ...(id !== undefined && { id }),
    } as Record<string, unknown>;
    const tenant =
      typeof tenantId === 'string' && tenantId !== '' && isTenantId(tenantId) ? tenantId : undefined;
    return {
      ...raise(READ, {
        method,
        ...(allTenants === true && { allTenants }),
        ...(reveal === true && { reveal }),
        filter: await this.words(filter, tenant ?? ''),
        ...(isPlain(limit) && { limit }),
        ...(isPlain(order) && { order }),
        // A cursor is a text that nobody can read: that there was one says that it was not the first page.
        ...(cursor !== undefined && { continued: true }),
        ...more,
      }),
      outcome,
      // Whose events were looked at; of everybody's, the event is in the reader's own tenant.
      ...defined({ tenantId: tenant }),
    };
  }
}

/** Whether it says something of the page: a text of a client's in its place says nothing. */
function isPlain(value: unknown): boolean {
  return typeof value === 'number' || value === 'newest' || value === 'oldest';
}

function nameOf(error: unknown): { readonly error?: string } {
  if (error === undefined) return {};
  return { error: error instanceof AuditError ? error.code : errorNameOf(error) };
}
