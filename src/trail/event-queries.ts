import type { Observable } from 'rxjs';
import { invalidQuery } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { isEventId } from '../event/event-id.js';
import { isFilledText } from '../event/option-schema.js';
import { pages } from '../event/pages.js';
import { defined } from '../event/present.js';
import type { AtRest } from '../recorder/at-rest.js';
import type { Listeners } from '../recorder/listeners.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import type { AuditEventRepository, EventOrder } from '../store/audit-event.repository.js';
import { matchesFilter } from '../store/event-filter.js';
import type { EventFilter } from '../store/event-filter.js';
import { AuditQueryDto, checkQuery, DEFAULT_LIMIT } from './audit-query.dto.js';
import type { AuditFilter, CheckedQuery } from './audit-query.dto.js';
import { copyOfQuery, splitReveal, splitScope } from './audit-scope.js';
import type { AuditReadScope, AuditScope } from './audit-scope.js';
import { AuditStatisticsQueryDto, computeStatistics } from './audit-statistics.js';
import type { AuditStatistics, AuditStatisticsQuery } from './audit-statistics.js';
import { CursorSigner } from './cursor.js';
import type { Reads } from './reads.js';
import { toFilter } from './to-filter.js';

export type AuditQuery = AuditQueryDto & AuditReadScope;
export type AuditStreamQuery = AuditFilter & Pick<AuditQueryDto, 'order'> & AuditReadScope;

/** The thing whose history is asked for. */
export type AuditHistoryScope = {
  readonly resource: string;
  readonly resourceId: string;
} & Pick<AuditQueryDto, 'order' | 'limit' | 'cursor'> &
  AuditReadScope;

export interface AuditPage {
  readonly events: AuditLogEvent[];
  /** Present where there may be more: pass it as `cursor`, with the same query. */
  readonly nextCursor?: string;
}

/** Events read at a time by `stream()`. */
const STREAM_PAGE = 500;
const ONE_PAGE = ['limit', 'cursor'] as const;
const NO_PAGES = [...ONE_PAGE, 'order'] as const;

/** Answers the questions about events, each checked first, and told of to whoever wants to know of reads. */
export class EventQueries {
  private signer: CursorSigner | undefined;

  constructor(
    private readonly events: AuditEventRepository,
    private readonly listeners: Listeners,
    private readonly atRest: AtRest,
    private readonly redactor: Redactor,
    private readonly reads: Reads,
  ) {}

  /** How many rows this process has read that can't be read as events or dead letters. */
  get unreadable(): number {
    return this.events.unreadable;
  }

  find(query: AuditQuery): Promise<AuditPage> {
    return this.reads.answered({ method: 'find', query }, () => this.page(query), countOf);
  }

  history(query: AuditHistoryScope): Promise<AuditPage> {
    return this.reads.answered({ method: 'history', query }, () => this.historyOf(query), countOf);
  }

  findById(id: string, scope: AuditReadScope): Promise<AuditLogEvent | undefined> {
    const find = async () => {
      const { reveal, filter } = this.asked(scope);
      const event = await this.eventOf(id, filter);
      return event && (await this.atRest.read([event], reveal))[0];
    };
    return this.reads.answered({ method: 'findById', query: scope, id }, find, (event) => (event ? 1 : 0));
  }

  stream(query: AuditStreamQuery): AsyncIterable<AuditLogEvent> {
    return this.reads.streamed({ method: 'stream', query }, () => {
      const { reveal, checked, filter } = this.asked(query, ONE_PAGE);
      return this.eventsOf(filter, checked.order ?? 'newest', reveal);
    });
  }

  statistics(query: AuditStatisticsQuery): Promise<AuditStatistics> {
    const compute = async () => {
      const { checked, filter } = this.check(query, NO_PAGES, AuditStatisticsQueryDto);
      return computeStatistics(this.events, filter, checked.top, checked.interval);
    };
    return this.reads.answered({ method: 'statistics', query }, compute, ({ total }) => total);
  }

  observe(query: AuditFilter & AuditScope): Observable<AuditLogEvent> {
    const read = { method: 'observe', query };
    const { filter } = this.reads.checked(read, () => this.check(query, NO_PAGES));
    return this.reads.pushed(read, (next) =>
      this.listeners.subscribe((event) => {
        if (matchesFilter(event, filter)) next(structuredClone(event));
      }),
    );
  }

  /** The event as it is stored, for whoever does not show it. @throws AuditError `AUDIT_INVALID_QUERY` */
  async stored(id: string, scope: AuditScope): Promise<AuditLogEvent | undefined> {
    return this.eventOf(id, this.check(scope).filter);
  }

  private async page(query: AuditQuery): Promise<AuditPage> {
    const { reveal, checked, filter } = this.asked(query);
    const order = checked.order ?? 'newest';
    const limit = checked.limit ?? DEFAULT_LIMIT;
    const signer = await this.cursors();
    const after = checked.cursor === undefined ? undefined : signer.open(checked.cursor, filter, order);
    const events = await this.events.find(filter, { limit: limit + 1, order, ...defined({ after }) });
    const hasMore = events.length > limit;
    if (hasMore) events.length = limit;
    const shown = await this.atRest.read(events, reveal);
    if (!hasMore) return { events: shown };
    return { events: shown, nextCursor: signer.sign(events[limit - 1]?.id ?? '', filter, order) };
  }

  private async historyOf(scope: AuditHistoryScope): Promise<AuditPage> {
    const query = copyOfQuery(scope);
    for (const field of ['resource', 'resourceId'] as const) {
      if (!isFilledText(query[field])) throw invalidQuery(field, `a history needs a ${field}`);
    }
    return this.page(query);
  }

  private async *eventsOf(
    filter: EventFilter,
    order: EventOrder,
    reveal: boolean,
  ): AsyncGenerator<AuditLogEvent, void> {
    const limit = STREAM_PAGE;
    const found = pages<AuditLogEvent>(limit, (last) =>
      this.events.find(filter, { limit, order, ...defined({ after: last?.id }) }),
    );
    for await (const page of found) yield* await this.atRest.read(page, reveal);
  }

  private async eventOf(id: string, filter: EventFilter): Promise<AuditLogEvent | undefined> {
    return isEventId(id) ? this.events.findById(id, filter) : undefined;
  }

  /** What is asked for, by a read that can show protected values. */
  private asked(query: AuditFilter & AuditReadScope, notHere?: readonly (keyof AuditQueryDto)[]) {
    const { reveal, rest } = splitReveal(query);
    if (reveal) this.atRest.assertReveals();
    return { reveal, ...this.check(rest as AuditFilter & AuditScope, notHere) };
  }

  /**
   * What is asked for, whoever asks.
   *
   * @param notHere properties that have no meaning in this call
   * @param dto what may be asked for
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field
   */
  check<Query extends AuditFilter = AuditQueryDto>(
    query: (AuditFilter | AuditQueryDto) & AuditScope,
    notHere: readonly (keyof AuditQueryDto)[] = [],
    dto?: new () => Query,
  ): { checked: CheckedQuery<Query>; filter: EventFilter } {
    const { tenantId, rest } = splitScope(query);
    const asked: { -readonly [Name in keyof AuditQueryDto]: unknown } = rest;
    for (const field of notHere) {
      if (asked[field] !== undefined) throw invalidQuery(field, `${field} has no meaning here`);
      // Some compilers give every property of a class this value.
      delete asked[field];
    }
    const checked = checkQuery(asked, dto);
    return { checked, filter: toFilter(checked, tenantId, this.redactor) };
  }

  private async cursors(): Promise<CursorSigner> {
    return (this.signer ??= new CursorSigner(await this.events.setting('cursor_key')));
  }
}

function countOf({ events }: AuditPage): number {
  return events.length;
}
