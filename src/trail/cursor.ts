import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { invalidQuery } from '../event/audit-error.js';
import type { EventFilter } from '../store/event-filter.js';
import type { EventOrder } from '../store/audit-event.repository.js';

/**
 * Paging cursors: the id that the next page begins behind, signed together with the filter and the order that it
 * belongs to. A cursor that was made up, changed, or made for another tenant or filter is refused. It grants nothing:
 * the filter, with its tenant, always comes from the query itself.
 */
export class CursorSigner {
  /** @param key shared by all processes of the installation */
  constructor(private readonly key: string) {}

  sign(after: string, filter: EventFilter, order: EventOrder): string {
    return Buffer.from(`${after}.${this.tag(after, filter, order)}`).toString('base64url');
  }

  /** @throws AuditError `AUDIT_INVALID_QUERY` on `cursor` */
  open(cursor: string, filter: EventFilter, order: EventOrder): string {
    const text = Buffer.from(cursor, 'base64url').toString('utf8');
    // The id may be anything that somebody has written; the tag has no dot.
    const dot = text.lastIndexOf('.');
    const [after, tag] = [text.slice(0, Math.max(0, dot)), text.slice(dot + 1)];
    const expected = Buffer.from(this.tag(after, filter, order));
    const given = Buffer.from(tag);
    if (given.length === expected.length && timingSafeEqual(given, expected)) return after;
    throw invalidQuery(
      'cursor',
      'cursor does not belong to this query. Pass the nextCursor of the page before, with the same tenant, filter and order, or leave it out to begin again',
    );
  }

  private tag(after: string, filter: EventFilter, order: EventOrder): string {
    const shape = createHash('sha256')
      .update(stableJson({ ...filter, order }))
      .digest('hex');
    return createHmac('sha256', this.key).update(`${after}.${shape}`).digest('hex').slice(0, 32);
  }
}

/** JSON with sorted keys at every depth, so that equal filters have equal text. */
function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
