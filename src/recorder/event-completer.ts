import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { SCHEMA_VERSION } from '../event/audit-log-event.js';
import type { AuditCategory, AuditFacts, AuditLogEvent, AuditOutcome } from '../event/audit-log-event.js';
import { createEventId, timestampOf } from '../event/event-id.js';
import { FACT_LIMITS, flattenFacts, readEntries } from '../event/flatten.js';
import type { FactRules } from '../event/flatten.js';
import { mergeFacts } from '../event/merge-facts.js';
import { UNREADABLE_KEY } from '../event/read-event.js';
import { safeId, safeText, TEXT_LIMITS } from '../event/safe-text.js';
import { withinReach } from '../event/within-reach.js';
import { CAPTURED_KEYS } from './audit-event-draft.js';
import type { AuditEventDraft } from './audit-event-draft.js';
import type { BlockingRule } from './block-judge.js';
import { defaultCategory, defaultSeverity, verbOf } from './classify.js';
import { PROTECTED_FIELDS_KEY, PROTECTED_KEY } from '../event/protected-marks.js';
import type { Redactor } from './redaction/redactor.js';
import { applyJudgement } from './stage.js';
import type { GivenJudgement, Stage } from './stage.js';
import { storedText } from './stored-text.js';

/** Which program writes: becomes `metadata.service` and `metadata.serviceVersion` of every event. */
export interface ServiceOptions {
  /** `metadata.service` of every event. */
  readonly name: string;
  /** `metadata.serviceVersion` of every event. */
  readonly version?: string;
}

/** How a request ended, and what that adds to its draft. */
export interface EventConclusion extends Pick<AuditEventDraft, 'severity' | 'resourceId' | 'details'> {
  readonly category: AuditCategory;
  readonly outcome: AuditOutcome;
  /** Of the request; tells the verb where the action does not. */
  readonly method: string;
  /** The compliance rule that refused it. */
  readonly blockedBy: BlockingRule | undefined;
  /** What the end says besides what the draft has said, or otherwise; few, since others fill the record up to its bounds. */
  readonly captured: AuditFacts;
}

/**
 * Turns drafts into events: classifies, redacts, bounds, and has the stages judge. Stores nothing and tells nobody. An event of a
 * request is made in two steps, {@link describe} before its handler or at its answer, and {@link conclude} at its answer.
 */
export class EventCompleter {
  private readonly warnings: RateLimitedLog;
  /** The application calls one of the keys secret under which the library itself writes. */
  private readonly hidesCaptured: boolean;
  private readonly detailRules: Partial<FactRules>;
  private readonly metadataRules: Partial<FactRules>;
  private readonly stages: Stage[];

  constructor(
    private readonly redactor: Redactor,
    logger: AuditLogger,
    private readonly service?: ServiceOptions,
    stages: readonly Stage[] = [],
  ) {
    this.stages = [...stages];
    this.warnings = new RateLimitedLog(logger);
    this.hidesCaptured =
      CAPTURED_KEYS.some((key) => redactor.isSecretKey(key)) || redactor.hasFields('metadata');
    this.detailRules = rulesOf(redactor, 'details');
    this.metadataRules = rulesOf(redactor, 'metadata');
  }

  /** Has the stage judge each event after those before it. */
  add(stage: Stage): void {
    this.stages.push(stage);
  }

  /** The whole event of a draft. */
  complete(draft: AuditEventDraft): AuditLogEvent {
    return this.judge(this.describe(draft), draft);
  }

  /** The event of a draft whose details are the library's own words: nothing of them is redacted. */
  completeVerbatim(draft: AuditEventDraft): AuditLogEvent {
    const event = this.describe({ ...draft, details: {} });
    const details = Object.entries(draft.details ?? {}).filter(([, value]) => value !== undefined);
    event.details = Object.fromEntries(details) as AuditFacts;
    return this.judge(event, draft);
  }

  /** The event of a draft as it is stored, but without its judgement: no score, no flags of rules. */
  describe(draft: AuditEventDraft): AuditLogEvent {
    // An id that was given has the time in it.
    const timestamp = draft.timestamp ?? (draft.id === undefined ? Date.now() : timestampOf(draft.id));
    const action = this.safe(draft.action, 'action');
    const category = draft.category ?? defaultCategory(action);
    const outcome = draft.outcome ?? 'success';
    const verb = verbOf(action, draft.captured?.['method'] ?? draft.metadata?.['method']);
    const event: AuditLogEvent = {
      id: draft.id ?? createEventId(timestamp),
      timestamp,
      tenantId: draft.tenantId ? safeId(draft.tenantId, TEXT_LIMITS.tenantId, true) : 'default',
      action,
      resource: this.safe(draft.resource || resourceOf(action), 'resource'),
      details: draft.details ? this.detailsOf(draft.details) : {},
      severity: draft.severity ?? defaultSeverity(category, outcome, verb),
      category,
      outcome,
      riskScore: draft.riskScore ?? 0,
      complianceFlags: draft.complianceFlags?.map((flag) => safeText(flag, 128)) ?? [],
      metadata: this.metadataOf(draft),
    };
    // Name by name: an object that grows by computed names is slower to write.
    if (draft.userId) event.userId = this.safe(draft.userId, 'userId');
    if (draft.resourceId) event.resourceId = this.safe(draft.resourceId, 'resourceId');
    if (draft.ipAddress) event.ipAddress = this.safe(this.redactor.ip(draft.ipAddress), 'ipAddress');
    if (draft.userAgent) event.userAgent = this.safe(draft.userAgent, 'userAgent');
    if (draft.sessionId) event.sessionId = this.safe(draft.sessionId, 'sessionId');
    return event;
  }

  /** Adds to the described event of a request how that ended. Changes the event: nobody else may have it yet. */
  conclude(event: AuditLogEvent, conclusion: EventConclusion): void {
    const { category, outcome, severity, method, resourceId, details, blockedBy, captured } = conclusion;
    event.category = category;
    event.outcome = outcome;
    event.severity = severity ?? defaultSeverity(category, outcome, verbOf(event.action, method));
    if (resourceId) event.resourceId = this.safe(resourceId, 'resourceId');
    if (details) event.details = this.detailsOf(details);
    if (blockedBy) event.complianceFlags = [safeText(blockedBy.id, 128)];
    const said = this.withoutSecrets(captured, SAID_AT_THE_END, event.id);
    const facts = this.hidesCaptured ? this.flatMetadata(said) : said;
    for (const name of Object.keys(facts)) event.metadata[name] = facts[name]!;
  }

  /**
   * Has each stage judge the event, in their order.
   *
   * @param given what the application said of the event itself, which counts
   */
  judge(event: AuditLogEvent, given: GivenJudgement): AuditLogEvent {
    for (const stage of this.stages) {
      try {
        const judgement = stage.judge(event, given);
        if (judgement) applyJudgement(event, stage.name, judgement);
      } catch {
        this.warnings.warn(
          stage.name,
          `The stage ${stage.name} threw while it judged an audit event. The event is recorded without its judgement, and names the stage in metadata.stageErrors.`,
        );
        applyJudgement(event, stage.name, { failed: true });
      }
    }
    return event;
  }

  private detailsOf(details: Readonly<Record<string, unknown>>): AuditFacts {
    return flattenFacts(details, this.redactor.isSecretKey, this.detailRules);
  }

  private metadataOf({ id, captured, metadata }: AuditEventDraft): AuditFacts {
    const facts =
      metadata || this.hidesCaptured
        ? this.flatMetadata(mergeFacts(captured, withoutReserved(metadata ?? {})))
        : this.withoutSecrets(captured ?? {}, SAID_BY_OTHERS, id);
    const { service } = this;
    if (service) facts['service'] = service.name;
    if (service?.version) facts['serviceVersion'] = service.version;
    facts['schemaVersion'] = SCHEMA_VERSION;
    return facts;
  }

  private flatMetadata(metadata: Readonly<Record<string, unknown>>): AuditFacts {
    return flattenFacts(metadata, this.redactor.isSecretKey, this.metadataRules);
  }

  /**
   * Redacts and bounds what clients or the application can say in the capture's own facts.
   *
   * @param names of those; all others are the library's words
   */
  private withoutSecrets(captured: AuditFacts, names: readonly string[], id: string | undefined): AuditFacts {
    for (const name of names) {
      const value = captured[name];
      const limit = name === 'errorName' ? LONGEST_ERROR_NAME : FACT_LIMITS.string;
      // Without an id of the client's or a proxy's, the request has that of its event.
      if (value === id || value === undefined) continue;
      if (typeof value === 'string') captured[name] = this.fact(value, limit);
      else if (Array.isArray(value)) captured[name] = value.map((item) => this.fact(String(item), limit));
    }
    return captured;
  }

  private fact(text: string, limit: number): string {
    const redacted = this.redactor.text(withinReach(text, limit));
    // What was redacted is stored decoded, and may have got control characters by that.
    return safeText(redacted, limit, Math.max(text.length, redacted.length));
  }

  private safe(text: string, name: keyof typeof TEXT_LIMITS): string {
    return storedText(this.redactor, name, text);
  }
}

const SAID_BY_OTHERS = ['path', 'requestId', 'actorType', 'impersonatorId', 'roles'] as const;
const SAID_AT_THE_END = ['requestId', 'errorName', 'stageErrors'] as const;
const LONGEST_ERROR_NAME = 256;

function rulesOf(redactor: Redactor, record: 'details' | 'metadata'): Partial<FactRules> {
  // `details` keep what the application gave, character by character.
  const text =
    record === 'details'
      ? (value: string) => redactor.text(value)
      : (value: string) => safeText(redactor.text(value), Infinity);
  if (!redactor.hasFields(record)) return { text };
  return {
    text,
    at: (key) => {
      const mode = redactor.modeOf(`${record}.${key}`);
      return mode && ((value) => redactor.redact(value, mode));
    },
  };
}

/** `invoice.approve` → `invoice` */
function resourceOf(action: string): string {
  const dot = action.indexOf('.');
  return dot > 0 ? action.slice(0, dot) : action;
}

const RESERVED = new Set([
  'source',
  'sequence',
  'riskFactors',
  PROTECTED_KEY,
  PROTECTED_FIELDS_KEY,
  UNREADABLE_KEY,
]);

/** The caller's metadata without what only the library may say. */
function withoutReserved(metadata: object): object {
  return Object.fromEntries(readEntries(metadata).filter(([name]) => !RESERVED.has(name)));
}
