import type { Observable } from 'rxjs';
import type { EntityManager } from 'typeorm';
import { annotateCurrent, refusalOf } from '../capture/annotation.js';
import { currentContext, runInContext } from '../capture/audit-context.js';
import type { AuditActor } from '../capture/request-record.js';
import type { RequestAudit } from '../capture/request-audit.js';
import type { AuditAnnotation } from '../capture/route-audit.js';
import type { DeliveryStatus } from '../delivery/delivery-options.js';
import { assertEventInput } from '../event/audit-event-input.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { copyEvent } from '../event/copy-event.js';
import { mergeFacts } from '../event/merge-facts.js';
import { eventReadOnce } from '../event/read-once.js';
import { isKnownDead } from '../journal/process-identity.js';
import type { AuditProof } from '../ledger/proof-bundle.js';
import type { AtRest } from '../recorder/at-rest.js';
import type { AuditRecorder } from '../recorder/audit-recorder.js';
import type { SignedCheckpoint } from '../sealer/ledger-options.js';
import type { LogSealer } from '../sealer/log-sealer.js';
import type { AuditDeadLetter } from '../store/dead-letter.repository.js';
import type { AuditSource } from '../store/source-summary.js';
import type { AuditFilter } from './audit-query.dto.js';
import type { AuditReadScope, AuditScope } from './audit-scope.js';
import type { AuditStatistics, AuditStatisticsQuery } from './audit-statistics.js';
import type { AuditDeadLetterQuery, DeadLetters } from './dead-letters.js';
import type { EventProver } from './event-prover.js';
import type {
  AuditHistoryScope,
  AuditPage,
  AuditQuery,
  AuditStreamQuery,
  EventQueries,
} from './event-queries.js';
import { inContext } from './in-context.js';
import type { LogVerifier } from './verification/log-verifier.js';
import type { VerifyOptions, VerifyResult } from './verification/verification-result.js';

/** What the service asks of the Merkle log. */
export interface AuditLog {
  readonly prover: EventProver;
  readonly verifier: LogVerifier;
  readonly sealer: LogSealer;
}

/** How the audit fares. */
export interface AuditStatus extends DeliveryStatus {
  /**
   * Requests that reached a guard without having met the audit's middleware: something has removed it. They are
   * recorded from there on. Alert above zero.
   */
  readonly unhooked: number;
}

/** Records what no request tells, and answers every question about what was recorded. Plain class, injected by Nest. */
export class AuditService {
  private readonly warnings: RateLimitedLog;

  constructor(
    private readonly recorder: AuditRecorder,
    private readonly requests: RequestAudit,
    private readonly queries: EventQueries,
    private readonly summaries: () => Promise<AuditSource[]>,
    private readonly letters: DeadLetters,
    private readonly log: AuditLog,
    private readonly atRest: AtRest,
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
    const input = eventReadOnce(event);
    assertEventInput(input);
    const draft = inContext(input);
    // A copy: the original still waits to be stored.
    if (!options.manager) return copyEvent(this.atRest.shown(await this.recorder.recordSafely(draft)));
    return this.atRest.shown(await this.recorder.recordUnnumbered(draft, options.manager));
  }

  /**
   * One page of events, newest first unless `order` says otherwise.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field; `AUDIT_STORE_UNAVAILABLE`
   */
  find(query: AuditQuery): Promise<AuditPage> {
    return this.queries.find(query);
  }

  /** The event, or `undefined` where there is none of this id in the scope. */
  findById(id: string, scope: AuditReadScope): Promise<AuditLogEvent | undefined> {
    return this.queries.findById(id, scope);
  }

  /**
   * Every event of the query, one after another, in bounded memory, newest first unless `order` says otherwise.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` at the call, not at the first event
   */
  stream(query: AuditStreamQuery): AsyncIterable<AuditLogEvent> {
    return this.queries.stream(query);
  }

  /** What happened to one thing, newest first unless `order` says otherwise. */
  history(scope: AuditHistoryScope): Promise<AuditPage> {
    return this.queries.history(scope);
  }

  /** Totals, means, the most frequent actions and users, and events over time. */
  statistics(query: AuditStatisticsQuery): Promise<AuditStatistics> {
    return this.queries.statistics(query);
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
   * The events that the database refused and that are not replayed yet, in the order of their ids, which
   * sort by time. One that anybody may have written says why it is `untrusted`.
   *
   * @param query whose, at most how many (`limit`), and behind which event's id (`after`)
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field; `AUDIT_STORE_UNAVAILABLE`
   */
  deadLetters(query: AuditDeadLetterQuery & AuditReadScope): Promise<AuditDeadLetter[]> {
    return this.letters.find(query);
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
  replayDeadLetters(scope: AuditScope): Promise<{ replayed: number; refused: number }> {
    return this.letters.replay(scope);
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
    return this.say('deny', refusalOf(reason));
  }

  private say(method: string, annotation: AuditAnnotation): boolean {
    const reason = annotateCurrent(annotation);
    if (reason !== undefined) this.warnings.warn(method, `${method}() was called ${reason}`);
    return reason === undefined;
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
    return this.queries.observe(query);
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
   * Compares every event with its leaf, leaves and tiles with checkpoints, and checkpoints with keys. Finds
   * events and numbers that the log does not account for. Reads the whole log, or the range that is asked
   * for, in bounded memory. What was not sealed yet is counted as `pending`.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the option; `AUDIT_STORE_UNAVAILABLE`; or the signal's reason
   */
  verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    return this.log.verifier.verify(options);
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
    return this.log.prover.prove(which, scope);
  }

  /** How delivery fares: what waits, what was stored, what was lost. */
  status(): AuditStatus {
    return {
      ...this.recorder.delivery.status(),
      unreadable: this.queries.unreadable,
      unhooked: this.requests.unhooked,
    };
  }
}
