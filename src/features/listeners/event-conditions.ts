import {
  checkOption,
  group,
  integer,
  isFilledText,
  isObject,
  option,
  text,
} from '../../event/option-schema.js';
import type { OptionSchema } from '../../event/option-schema.js';
import { AuditError } from '../../event/audit-error.js';
import { CATEGORIES, OUTCOMES, SEVERITIES } from '../../event/audit-log-event.js';
import type { AuditCategory, AuditOutcome, AuditSeverity } from '../../event/audit-log-event.js';
import { Redactor } from '../../recorder/redaction/redactor.js';
import type { EventFilter } from '../../store/event-filter.js';
import { toFilter } from '../../trail/to-filter.js';

type OneOrMore<T extends string> = T | readonly T[];

/** Which events a method subscribes to. All that is given must hold; a list means any of its values. */
export interface AuditEventFilter {
  /** Exact, or every action that begins so, `invoice.*`; one or a list. */
  readonly action?: OneOrMore<string>;
  /** Exact, one or a list. */
  readonly resource?: OneOrMore<string>;
  /** One or a list. */
  readonly category?: OneOrMore<AuditCategory>;
  /** One or a list. */
  readonly severity?: OneOrMore<AuditSeverity>;
  /** One or a list. */
  readonly outcome?: OneOrMore<AuditOutcome>;
  /** Any of these in `complianceFlags`. */
  readonly flags?: OneOrMore<string>;
  /** `riskScore` from here on, 0 to 100. */
  readonly minRisk?: number;
  /** Exact, one. */
  readonly tenantId?: string;
}

/** One text or a list of at least one: an empty list would silently mean no event at all. */
function oneOrMore(write: string, accepts: (text: string) => boolean = () => true): OptionSchema {
  return option((value) => {
    const texts: unknown[] = Array.isArray(value) ? value : [value];
    return texts.length > 0 && texts.every((text) => isFilledText(text) && accepts(text));
  }, `${write}, or a list of these`);
}

function words(known: readonly string[]): OptionSchema {
  return oneOrMore(known.map((word) => `'${word}'`).join(', '), (text) => known.includes(text));
}

/** Every condition, by its name. A test compares this list with `docs/read/listening.md`. */
export const EVENT_CONDITIONS = {
  // A * anywhere else would be compared as it is written, and match nothing.
  action: oneOrMore("an action, or how it begins and one * at its end, 'invoice.*'", (text) =>
    /^[^*]+\*?$/.test(text),
  ),
  resource: oneOrMore('a text that is not empty'),
  category: words(CATEGORIES),
  severity: words(SEVERITIES),
  outcome: words(OUTCOMES),
  flags: oneOrMore('a text that is not empty'),
  minRisk: integer(0, 100),
  tenantId: text(),
} satisfies Record<keyof AuditEventFilter, OptionSchema>;

const filterSchema = group(EVENT_CONDITIONS);

/**
 * The store's filter for what a decorator says.
 *
 * @param method `Class.method`, for the message
 * @throws AuditError `AUDIT_INVALID_OPTIONS` naming class, method and field
 */
export function toEventFilter(method: string, filter: AuditEventFilter): EventFilter {
  const owner = `@OnAuditEvent() of ${method}`;
  if (!isObject(filter as unknown)) {
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      `${owner}: the filter must be an object; write @OnAuditEvent({ action: 'invoice.*' }), or @OnAuditEvent() for every event.`,
    );
  }
  // Without a value it would be no condition, and the method would get more than it asks for.
  const given = Object.entries(filter).map(([name, value]: [string, unknown]) => [name, value ?? null]);
  checkOption(filterSchema, Object.fromEntries(given), '', owner);
  const { flags, minRisk, tenantId, ...same } = filter;
  return toFilter(
    { ...same, complianceFlag: flags, minRiskScore: minRisk },
    tenantId,
    // No condition names an id, so nothing of it is redacted.
    new Redactor({ patterns: false }),
  );
}
