import type { Observable } from 'rxjs';
import type { EntityManager } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import { assertEventInput } from '../event/audit-event-input.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { copyEvent } from '../event/copy-event.js';
import { isEventId } from '../event/event-id.js';
import { mergeFacts } from '../event/merge-facts.js';
import { ownEvent } from '../event/own-event.js';
import { present } from '../event/present.js';
import type { DeliveryStatus } from '../delivery/delivery-options.js';
import { isKnownDead } from '../journal/process-identity.js';
import type { AuditRecorder } from '../recorder/audit-recorder.js';
import type { Listeners } from '../recorder/listeners.js';
import { currentContext, runInContext } from '../capture/audit-context.js';
import type { AuditActor } from '../capture/audit-context.js';
import type { ProtectedReader } from '../features/protection/protected-reader.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import { annotateCurrent } from '../capture/annotation.js';
import type { RequestAudit } from '../capture/request-audit.js';
import type { AuditAnnotation } from '../capture/request-record.js';
import { eventLeafHash } from '../ledger/canonical-event.js';
import type { AuditProof } from '../ledger/proof-bundle.js';
import type { SignedCheckpoint } from '../sealer/ledger-options.js';
import type { LogSealer } from '../sealer/log-sealer.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import type { AuditDeadLetter, DeadLetterRepository } from '../store/dead-letter.repository.js';
import { matchesFilter } from '../store/event-filter.js';
import type { EventFilter } from '../store/event-filter.js';
import type { LedgerRepository } from '../store/ledger.repository.js';
import type { AuditSource } from '../store/source-summary.js';
import { AuditQueryDto, checkQuery, DEFAULT_LIMIT } from './audit-query.dto.js';
import type { CheckedQuery } from './audit-query.dto.js';
import { ownQuery, ownValue, splitReveal, splitScope } from './audit-scope.js';
import type { AuditReadScope, AuditScope } from './audit-scope.js';
import { computeStatistics, INTERVALS } from './audit-statistics.js';
import type { AuditInterval, AuditStatistics } from './audit-statistics.js';
import { CursorSigner } from './cursor.js';
import type {
  AuditErasure,
  AuditSubject,
  DataSubjects,
  KeyRotation,
  KeyRotationOptions,
} from './data-subjects.js';
import { checkDeadLetterQuery } from './dead-letter-query.js';
import type { AuditDeadLetterQuery } from './dead-letter-query.js';
import { inContext } from './in-context.js';
import { proveEvent } from './log-prover.js';
import type { Reads } from './reads.js';
import { toFilter } from './to-filter.js';
import type { LogVerifier } from './verification/log-verifier.js';
import type { VerifyOptions, VerifyResult } from './verification/verification-result.js';

/** A filter without paging: what `stream`, `statistics` and `observe` take. */
export type AuditFilter = Omit<AuditQueryDto, 'limit' | 'cursor' | 'order'>;

export type AuditQuery = AuditQueryDto & AuditReadScope;
export type AuditStreamQuery = AuditFilter & Pick<AuditQueryDto, 'order'> & AuditReadScope;

/** The thing whose history is asked for. */
export type AuditHistoryScope = {
  readonly resource: string;
  readonly resourceId: string;
} & Pick<AuditQueryDto, 'order' | 'limit' | 'cursor'> &
  AuditReadScope;

export type AuditStatisticsQuery = AuditFilter &
  AuditScope & {
    /** How many actions and users to list, 1-100. @defaultValue 10 */
    readonly top?: number;
    /** The histogram's columns. @defaultValue fitting the span of the events */
    readonly interval?: AuditInterval;
  };

export interface AuditPage {
  readonly events: AuditLogEvent[];
  /** Present where there may be more: pass it as `cursor`, with the same query. */
  readonly nextCursor?: string;
}

/** What the service asks of the Merkle log. */
export interface AuditLog {
  readonly ledger: LedgerRepository;
  readonly verifier: LogVerifier;
  readonly sealer: LogSealer;
}

/** Events read at a time by `stream()`. */
const STREAM_PAGE = 500;
/** Letters held at a time by `replayDeadLetters()`: each may take some hundred kilobytes. */
const REPLAY_PAGE = 20;

/** How the audit fares. */
export interface AuditStatus extends DeliveryStatus {
  /** Requests that reached a guard without having met the audit's middleware: 0, unless something has removed it. */
  readonly unhooked: number;
}

/** Records what no request tells, and answers every question about what was recorded. Plain class, injected by Nest. */
export class AuditService {
  private signer: Promise<CursorSigner> | undefined;
  private readonly warnings: RateLimitedLog;

  constructor(
    private readonly recorder: AuditRecorder,
    private readonly listeners: Listeners,
    private readonly repository: AuditEventRepository,
    private readonly requests: RequestAudit,
    private readonly summaries: () => Promise<AuditSource[]>,
    private readonly letterRepository: DeadLetterRepository,
    private readonly log: AuditLog,
    private readonly redactor: Redactor,
    private readonly reader: ProtectedReader,
    private readonly subjects: DataSubjects,
    private readonly reads: Reads,
    logger: AuditLogger,
  ) {
    this.warnings = new RateLimitedLog(logger);
  }

  /**
   * Records an event of the application's own. Who, where and in which request is taken from the current request or
   * `runAs`, where the event does not say it.
   *
   * @param options `manager`: write in this TypeORM transaction, so that the event commits and rolls back with it
   * @returns the event as it is stored, and as whoever may not see protected values reads it. When it resolves the event is as safe as the delivery mode promises: accepted
   *   in memory, in the journal, or committed; with `manager`, written
   * @throws AuditError `AUDIT_INVALID_EVENT`, naming the wrong property; `AUDIT_STORE_UNAVAILABLE` when there is no
   *   room for it; `AUDIT_UNAVAILABLE` when it is not committed in time, in strict mode, and delivered later
   */
  async record(
    event: AuditEventInput,
    options: { readonly manager?: EntityManager } = {},
  ): Promise<AuditLogEvent> {
    const own = ownEvent(event);
    assertEventInput(own);
    const draft = inContext(own);
    // A copy: the original still waits to be stored.
    if (!options.manager) return copyEvent(this.reader.shown(await this.recorder.recordSafely(draft)));
    return this.reader.shown(await this.recorder.recordWith(options.manager, draft));
  }

  /**
   * One page of events, newest first unless `order` says otherwise.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field; `AUDIT_STORE_UNAVAILABLE`
   */
  find(query: AuditQuery): Promise<AuditPage> {
    return this.reads.answered(
      { method: 'find', query },
      () => this.page(query),
      ({ events }) => events.length,
    );
  }

  private async page(query: AuditQuery): Promise<AuditPage> {
    const { reveal, rest } = this.readOf(query);
    const { checked, filter } = this.check(rest);
    const order = checked.order ?? 'newest';
    const limit = checked.limit ?? DEFAULT_LIMIT;
    const signer = await this.cursors();
    const after = checked.cursor === undefined ? undefined : signer.open(checked.cursor, filter, order);
    const events = await this.repository.find(filter, {
      limit: limit + 1,
      order,
      ...(after !== undefined && { after }),
    });
    const hasMore = events.length > limit;
    if (hasMore) events.length = limit;
    const shown = await this.reader.show(events, reveal);
    if (!hasMore) return { events: shown };
    return { events: shown, nextCursor: signer.sign(events[limit - 1]?.id ?? '', filter, order) };
  }

  /** The event, or `undefined` where there is none of this id in the scope. */
  findById(id: string, scope: AuditReadScope): Promise<AuditLogEvent | undefined> {
    const find = async () => {
      const { reveal, rest } = this.readOf(scope);
      const event = await this.storedById(id, rest);
      return event && (await this.reader.show([event], reveal))[0];
    };
    return this.reads.answered({ method: 'findById', query: scope, id }, find, (event) => (event ? 1 : 0));
  }

  private async storedById(id: string, scope: AuditScope): Promise<AuditLogEvent | undefined> {
    const { filter } = this.check(scope);
    return isEventId(id) ? this.repository.findById(id, filter) : undefined;
  }

  /**
   * Every event of the query, one after another, in bounded memory, newest first unless `order` says otherwise.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` at the call, not at the first event
   */
  stream(query: AuditStreamQuery): AsyncIterable<AuditLogEvent> {
    return this.reads.streamed({ method: 'stream', query }, () => {
      const { reveal, rest } = this.readOf(query);
      const { checked, filter } = this.check(rest, ['limit', 'cursor']);
      return this.pages(filter, checked.order ?? 'newest', reveal);
    });
  }

  /** What happened to one thing, newest first unless `order` says otherwise. */
  history(scope: AuditHistoryScope): Promise<AuditPage> {
    return this.reads.answered(
      { method: 'history', query: scope },
      () => this.historyOf(scope),
      ({ events }) => events.length,
    );
  }

  private async historyOf(scope: AuditHistoryScope): Promise<AuditPage> {
    const own = ownQuery(scope);
    for (const field of ['resource', 'resourceId'] as const) {
      const value = ownValue(own, field);
      if (typeof value === 'string' && value !== '') continue;
      throw new AuditError(
        'AUDIT_INVALID_QUERY',
        `The audit query is not valid: a history needs a ${field}.`,
        { field },
      );
    }
    return this.page(own);
  }

  /** Totals, means, the most frequent actions and users, and events over time. */
  statistics(query: AuditStatisticsQuery): Promise<AuditStatistics> {
    return this.reads.answered(
      { method: 'statistics', query },
      () => this.statisticsOf(query),
      ({ total }) => total,
    );
  }

  private async statisticsOf(query: AuditStatisticsQuery): Promise<AuditStatistics> {
    const own = ownQuery(query);
    const { top: _top, interval: _interval, ...rest } = own;
    const top = (ownValue(own, 'top') ?? 10) as number;
    const interval = ownValue(own, 'interval') as AuditInterval | undefined;
    if (own.top === null || !Number.isInteger(top) || top < 1 || top > 100) {
      throw new AuditError(
        'AUDIT_INVALID_QUERY',
        'The audit query is not valid: top must be an integer from 1 to 100.',
        {
          field: 'top',
        },
      );
    }
    if (interval !== undefined && !(typeof interval === 'string' && Object.hasOwn(INTERVALS, interval))) {
      throw new AuditError(
        'AUDIT_INVALID_QUERY',
        `The audit query is not valid: interval must be one of ${Object.keys(INTERVALS).join(', ')}.`,
        { field: 'interval' },
      );
    }
    const { filter } = this.check(rest as AuditQuery, ['limit', 'cursor', 'order']);
    return computeStatistics(this.repository, filter, top, interval);
  }

  /**
   * Each process that recorded events, with its first and last sequence and every gap between, newest first. For those
   * who run the installation: it counts the events of all tenants, and shows none. A source whose process ran on this
   * machine, and is not there any more, is `unclean` although nobody has noted it: so is one without a journal that was
   * killed.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async sources(): Promise<AuditSource[]> {
    const sources = await this.summaries();
    return sources.map((source) =>
      source.state === 'open' && isKnownDead(source.process) ? { ...source, state: 'unclean' } : source,
    );
  }

  /**
   * The events that the database refused for themselves and that are not replayed yet, in the order of their ids, which
   * sort by time. One that anybody may have written says why it is `untrusted`.
   *
   * @param query whose, at most how many (`limit`), and behind which event's id (`after`)
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field; `AUDIT_STORE_UNAVAILABLE`
   */
  deadLetters(query: AuditDeadLetterQuery & AuditReadScope): Promise<AuditDeadLetter[]> {
    return this.reads.answered(
      { method: 'deadLetters', query },
      () => this.lettersOf(query),
      ({ length }) => length,
    );
  }

  private async lettersOf(query: AuditDeadLetterQuery & AuditReadScope): Promise<AuditDeadLetter[]> {
    const { reveal, rest } = this.readOf(query);
    const letters = await this.letterRepository.find(checkDeadLetterQuery(rest));
    const events = await this.reader.show(
      letters.map(({ event }) => event),
      reveal,
    );
    return letters.map((letter, place) => ({ ...letter, event: events[place]! }));
  }

  /**
   * Tries to store each event that the database refused, in the order of their ids: call it once the cause is mended.
   * Those refused again stay, and so does a letter that says why it is `untrusted`: that is refused without a try, and logged.
   *
   * @param scope whose
   * @returns how many are stored now, and how many were refused again
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field; `AUDIT_STORE_UNAVAILABLE`, and what was stored until then
   *   is stored
   */
  async replayDeadLetters(scope: AuditScope): Promise<{ replayed: number; refused: number }> {
    const { tenantId } = checkDeadLetterQuery(scope, ['limit', 'after']);
    const total = { replayed: 0, refused: 0 };
    let after: string | undefined;
    for (;;) {
      const page = await this.letterRepository.find({
        ...present('tenantId', tenantId),
        ...present('after', after),
        limit: REPLAY_PAGE,
      });
      for (const { event, untrusted } of page) {
        if (untrusted === undefined) continue;
        this.warnings.warn('letter', `The dead letter ${event.id} is not replayed: ${untrusted}.`);
      }
      const { replayed, refused } = await this.letterRepository.replay(page);
      total.replayed += replayed;
      total.refused += refused;
      if (page.length < REPLAY_PAGE) return total;
      after = page.at(-1)?.event.id;
    }
  }

  /**
   * Adds to the event of the current request. What is said last counts; `details` and `metadata` add up. A value that
   * can't be stored is left out and named in `metadata.stageErrors`.
   *
   * @returns `false`, with a warning, where there is no open request to annotate
   */
  annotate(annotation: AuditAnnotation): boolean {
    return this.say('annotate', annotation);
  }

  /**
   * Says that the current request is refused, and why: its event gets the outcome `failure` and the category `authorization`, whatever the
   * answer's status, and the reason in `details.reason`. It refuses nothing itself: throw what the caller is to get.
   *
   * @example
   * ```ts
   * this.audit.deny('not the approver of this invoice');
   * throw new ForbiddenException();
   * ```
   * @returns `false`, with a warning, where there is no open request to refuse
   */
  deny(reason: string): boolean {
    return this.say('deny', { outcome: 'failure', category: 'authorization', details: { reason } });
  }

  private say(method: string, annotation: AuditAnnotation): boolean {
    const reason = annotateCurrent(annotation);
    if (reason !== undefined) this.warnings.warn(method, `${method}() was called ${reason}`);
    return reason === undefined;
  }

  /**
   * Erases a person: destroys the keys of their protected values, so that nobody can read these any more, in the database, among the dead
   * letters or in the journal. The events stay, and verify as before; reads show `[erased]`. The erasure is an event itself. What is
   * recorded for the person later has another key.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field; `AUDIT_INVALID_OPTIONS` without the option `protect`;
   *   `AUDIT_STORE_UNAVAILABLE`; as {@link record} where it can't be recorded, and then nothing is erased
   */
  forget(subject: AuditSubject): Promise<AuditErasure> {
    return this.subjects.forget(
      subject,
      (event) => this.record(event),
      () => this.flush(),
    );
  }

  /**
   * Answers a request for access: all events of a person, oldest first, with their protected values, in bounded memory. These are the events
   * whose user they are, and those with values under their keys. Reads all events of the tenant.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field, at the call; `AUDIT_STORE_UNAVAILABLE`
   */
  exportSubject(subject: AuditSubject): AsyncIterable<AuditLogEvent> {
    return this.reads.streamed({ method: 'exportSubject', query: subject }, () =>
      this.subjects.export(subject),
    );
  }

  /**
   * Wraps all data keys anew that another master key has wrapped, so that the one before can be destroyed; and gives each person another
   * data key, if asked. Goes on from there if it is called again after a failure. It is an event itself.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` without the option `protect`; `AUDIT_STORE_UNAVAILABLE`; or the signal's reason
   */
  rotateKeys(options: KeyRotationOptions = {}): Promise<KeyRotation> {
    return this.subjects.rotateKeys(options, (event) => this.record(event));
  }

  /** Runs `work`, and records whatever is recorded within it in the actor's name. For jobs, queues and scripts. */
  runAs<T>(actor: AuditActor, work: () => T): T {
    return runInContext({ ...currentContext(), actor: mergeFacts(actor) as unknown as AuditActor }, work);
  }

  /**
   * The events that this process records from now on, as they are recorded (not yet stored).
   *
   * @param query whose and which events, with a `tenantId` or `allTenants: true`; without a query, all of them
   * @throws AuditError `AUDIT_INVALID_QUERY`
   */
  observe(query: AuditFilter & AuditScope = { allTenants: true }): Observable<AuditLogEvent> {
    const read = { method: 'observe', query };
    const { filter } = this.reads.checked(read, () => this.check(query, ['limit', 'cursor', 'order']));
    return this.reads.pushed(read, (next) =>
      this.listeners.subscribe((event) => {
        if (matchesFilter(event, filter)) next(structuredClone(event));
      }),
    );
  }

  /**
   * Resolves once everything recorded so far is stored, the requests just answered included. A request that its client
   * abandoned is recorded when its connection closes, which this does not wait for.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE` when the database does not take it; the events stay and are tried again
   */
  async flush(): Promise<void> {
    await this.requests.settled();
    await this.recorder.delivery.flush();
  }

  /**
   * Seals what is delivered, and answers the newest checkpoint of the log. What is recorded but not delivered yet is sealed
   * later: call {@link flush} before, where it matters.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; `AUDIT_LEDGER_BROKEN` where the log is not one that may be extended
   */
  checkpoint(): Promise<SignedCheckpoint> {
    return this.log.sealer.checkpoint();
  }

  /**
   * Compares every event with its leaf, the leaves and tiles with the checkpoints, the checkpoints with the keys, and looks for
   * events and numbers that the log does not account for. Reads the whole log, or the range that is asked for, in
   * bounded memory. What was not sealed yet is counted as `pending`.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the option; `AUDIT_STORE_UNAVAILABLE`; or the signal's reason
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    return this.log.verifier.verify(ownVerifyOptions(options));
  }

  /**
   * A bundle that proves to others, without the database, that the event was recorded and is unchanged: the event, its
   * place in the log, the path to the root and the signed checkpoint. Seals the event first where it is not sealed yet.
   *
   * @param which its id; or the event itself, as it was stored, such as that of an earlier proof: also one that retention has removed
   * @param scope whose event, where an id is given; those who hand proofs to users give their `tenantId`
   * @returns `undefined` where there is no event of this id in the scope
   * @throws AuditError `AUDIT_NOT_SEALED` where events before it are still missing; `AUDIT_LEDGER_BROKEN` where it, or the log,
   *   was changed; `AUDIT_STORE_UNAVAILABLE`
   */
  prove(
    which: string | AuditLogEvent,
    scope: AuditScope = { allTenants: true },
  ): Promise<AuditProof | undefined> {
    const prove = () => this.proofOf(which, scope);
    return this.reads.answered({ method: 'prove', query: scope, id: idOf(which) }, prove, (proof) =>
      proof ? 1 : 0,
    );
  }

  private async proofOf(which: string | AuditLogEvent, scope: AuditScope): Promise<AuditProof | undefined> {
    this.check(scope);
    const event = typeof which === 'string' ? await this.storedById(which, scope) : storedEvent(which);
    if (!event) return undefined;
    const { id } = event;
    const proof = await proveEvent(this.log.ledger, event);
    if (proof) return proof;
    await this.checkpoint();
    const late = await proveEvent(this.log.ledger, event);
    if (late) return late;
    throw new AuditError(
      'AUDIT_NOT_SEALED',
      `The event ${id} is not in the log yet: events of its source that come before it are still missing. Try again later.`,
    );
  }

  /** How delivery fares: what waits, what was stored, what was lost. */
  status(): AuditStatus {
    return {
      ...this.recorder.delivery.status(),
      unreadable: this.repository.unreadable,
      unhooked: this.requests.unhooked,
    };
  }

  private async *pages(
    filter: EventFilter,
    order: 'newest' | 'oldest',
    reveal: boolean,
  ): AsyncGenerator<AuditLogEvent, void> {
    let after: string | undefined;
    for (;;) {
      const page = await this.repository.find(filter, {
        limit: STREAM_PAGE,
        order,
        ...(after !== undefined && { after }),
      });
      yield* await this.reader.show(page, reveal);
      if (page.length < STREAM_PAGE) return;
      after = page.at(-1)?.id;
    }
  }

  private readOf<T extends AuditReadScope>(
    query: T,
  ): { reveal: boolean; rest: Omit<T, 'reveal'> & AuditScope } {
    const { reveal, rest } = splitReveal(query);
    if (reveal) this.reader.assertReveals();
    return { reveal, rest: rest as Omit<T, 'reveal'> & AuditScope };
  }

  private check(
    query: (AuditFilter | AuditQueryDto) & AuditScope,
    notHere: readonly (keyof AuditQueryDto)[] = [],
  ): { checked: CheckedQuery; filter: EventFilter } {
    const { tenantId, rest } = splitScope(query);
    for (const field of notHere) {
      if ((rest as AuditQueryDto)[field] === undefined) continue;
      throw new AuditError(
        'AUDIT_INVALID_QUERY',
        `The audit query is not valid: ${field} has no meaning here.`,
        { field },
      );
    }
    const checked = checkQuery(rest);
    return { checked, filter: toFilter(checked, tenantId, this.redactor) };
  }

  private cursors(): Promise<CursorSigner> {
    this.signer ??= this.repository.setting('cursor_key').then(
      (key) => new CursorSigner(key),
      (error: unknown) => {
        this.signer = undefined;
        throw error;
      },
    );
    return this.signer;
  }
}

/** @throws AuditError `AUDIT_INVALID_QUERY` naming the option */
function ownVerifyOptions(options: VerifyOptions): VerifyOptions {
  const own = ownQuery(options);
  for (const [field, value] of Object.entries(own) as [string, unknown][]) {
    const isList = field === 'keys' || field === 'checkpoints';
    if (value !== null && (!isList || value === undefined || Array.isArray(value))) continue;
    throw new AuditError(
      'AUDIT_INVALID_QUERY',
      `The log was not verified: ${field} must ${isList ? 'be a list' : 'not be null'}.`,
      { field },
    );
  }
  return own;
}

/** The id of what is to be proved, whatever it is. */
function idOf(which: unknown): unknown {
  try {
    return typeof which === 'object' && which !== null ? (which as { id?: unknown }).id : which;
  } catch {
    return undefined;
  }
}

/** @throws AuditError `AUDIT_INVALID_QUERY` where it can't be an event of a log */
function storedEvent(given: AuditLogEvent): AuditLogEvent {
  try {
    const event = copyEvent(given);
    eventLeafHash(event);
    if (isEventId(event.id)) return event;
  } catch {
    // Then it is none either.
  }
  throw new AuditError(
    'AUDIT_INVALID_QUERY',
    'There is nothing to prove: give the id of an event, or an event.',
    { field: 'id' },
  );
}
