import { AuditError, invalidEvent } from './audit-error.js';
import { CATEGORIES, OUTCOMES, SEVERITIES } from './audit-log-event.js';
import type { AuditCategory, AuditOutcome, AuditSeverity } from './audit-log-event.js';
import { isOneOf, isText, isTexts, isWithin, LAST_TIME } from './event-checks.js';
import { TEXT_LIMITS } from './safe-text.js';
import { unknownProperties } from './unknown-properties.js';

/**
 * What an application gives to `AuditService.record()`: only `action` is needed. Who, where and in which request is
 * taken from the current request or `runAs` where it is not given.
 */
export interface AuditEventInput {
  /** `resource.verb`, for example `report.generate`. */
  readonly action: string;
  /** @defaultValue what stands before the first dot of `action` */
  readonly resource?: string;
  readonly resourceId?: string;
  /** When the action began: Unix epoch, milliseconds. @defaultValue now */
  readonly timestamp?: number;
  readonly tenantId?: string;
  readonly userId?: string;
  readonly sessionId?: string;
  readonly ipAddress?: string;
  readonly userAgent?: string;
  /** Facts of the business; nested values become dotted keys. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** @defaultValue by category, outcome and verb, see `docs/reference/format.md` */
  readonly severity?: AuditSeverity;
  /** @defaultValue `data_access` for `*.read`, `*.list` and `*.export`, else `data_modification` */
  readonly category?: AuditCategory;
  /** @defaultValue `success` */
  readonly outcome?: AuditOutcome;
  /** Integer, 0-100. @defaultValue by category, severity, outcome and verb, see `docs/reference/format.md` */
  readonly riskScore?: number;
  readonly complianceFlags?: readonly string[];
  /** Facts of the capture. `source`, `sequence` and `schemaVersion` are always the library's own. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Whether a value is right, and what it must be. */
type Rule = readonly [isRight: (value: unknown) => boolean, must: string];

/** A text of one line. Its characters are code points. */
function text(least: number, most: number): Rule {
  const line = new RegExp(`^[^\\u0000-\\u001f\\u007f]{${least},${most}}$`, 'u');
  const length = least === 0 ? `at most ${most}` : `${least} to ${most}`;
  return [
    (value) => isText(value) && line.test(value),
    `be a text of ${length} characters, none of them a control character`,
  ];
}

function integer(most: number): Rule {
  return [isWithin(most), `be an integer from 0 to ${most}`];
}

function oneOf(words: readonly string[]): Rule {
  return [isOneOf(words), `be one of ${words.join(', ')}`];
}

const ANY_TEXT: Rule = [isText, 'be a text'];
const FACTS: Rule = [
  (value) => typeof value === 'object' && !Array.isArray(value),
  'be an object of keys and values',
];
const MOST_FLAGS = 100;
const FLAG = /^[^]{0,128}$/u;
const FLAGS: Rule = [
  (value) => isTexts(value) && value.length <= MOST_FLAGS && value.every((flag) => FLAG.test(flag)),
  `be a list of at most ${MOST_FLAGS} texts of at most 128 characters`,
];

/** All that an event may have. What is `null` or `undefined` counts as left out. */
const RULES: Readonly<Record<keyof AuditEventInput, Rule>> = {
  action: text(1, TEXT_LIMITS.action),
  resource: text(1, TEXT_LIMITS.resource),
  resourceId: text(0, TEXT_LIMITS.resourceId),
  timestamp: integer(LAST_TIME),
  tenantId: text(1, TEXT_LIMITS.tenantId),
  userId: text(0, TEXT_LIMITS.userId),
  sessionId: text(0, TEXT_LIMITS.sessionId),
  ipAddress: ANY_TEXT,
  userAgent: ANY_TEXT,
  details: FACTS,
  severity: oneOf(SEVERITIES),
  category: oneOf(CATEGORIES),
  outcome: oneOf(OUTCOMES),
  riskScore: integer(100),
  complianceFlags: FLAGS,
  metadata: FACTS,
};
const NAMES = Object.keys(RULES) as (keyof AuditEventInput)[];
const PROPERTIES: ReadonlySet<string> = new Set(NAMES);

/**
 * Refuses what is not an {@link AuditEventInput}.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT`, naming the first wrong property
 */
export function assertEventInput(input: unknown): asserts input is AuditEventInput {
  if (typeof input !== 'object' || input === null) {
    throw new AuditError(
      'AUDIT_INVALID_EVENT',
      'An audit event must be an object: write record({ action: "invoice.approve", … }).',
    );
  }
  const unknown = unknownProperties(input, PROPERTIES);
  if (unknown) throw invalidEvent(unknown.first, unknown.reason);
  const given = input as AuditEventInput;
  for (const name of NAMES) {
    const value: unknown = given[name];
    const [isRight, must] = RULES[name];
    const isLeftOut = value === undefined || value === null;
    if (isLeftOut ? name !== 'action' : isRight(value)) continue;
    throw invalidEvent(name, `${name} must ${must}`);
  }
}
