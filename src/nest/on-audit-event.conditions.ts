import { isFilledText } from '../event/option-schema.js';
import { AuditError } from '../event/audit-error.js';
import { CATEGORIES, OUTCOMES, SEVERITIES } from '../event/audit-log-event.js';
import type { AuditCategory, AuditOutcome, AuditSeverity } from '../event/audit-log-event.js';
import { Redactor } from '../recorder/redaction/redactor.js';
import type { EventFilter } from '../store/event-filter.js';
import { toFilter } from '../trail/to-filter.js';

type OneOrMore<T extends string> = T | readonly T[];

/** Which events a method subscribes to. All that is given must hold; a list means any of its values. */
export interface AuditEventFilter {
  /** Exact, or every action that begins so: `invoice.*`. */
  readonly action?: OneOrMore<string>;
  readonly resource?: OneOrMore<string>;
  readonly category?: OneOrMore<AuditCategory>;
  readonly severity?: OneOrMore<AuditSeverity>;
  readonly outcome?: OneOrMore<AuditOutcome>;
  /** Any of these compliance rules matched. */
  readonly flags?: OneOrMore<string>;
  /** `riskScore` from here on: an integer, 0-100. */
  readonly minRisk?: number;
  readonly tenantId?: string;
}

interface Condition {
  readonly accepts: (value: unknown) => boolean;
  /** Completes "write …". */
  readonly write: string;
}

/** One text or a list of at least one: an empty list would silently mean no event at all. */
function each(accepts: (text: string) => boolean): (value: unknown) => boolean {
  return (value) => {
    const texts: unknown[] = Array.isArray(value) ? value : [value];
    return texts.length > 0 && texts.every((text) => isFilledText(text) && accepts(text));
  };
}

const words = (known: readonly string[]): Condition => ({
  accepts: each((text) => known.includes(text)),
  write: `${known.map((word) => `'${word}'`).join(', ')}, or a list of these`,
});

const texts: Condition = { accepts: each(() => true), write: 'a text that is not empty, or a list of these' };

/** Every condition, by its name. A test compares this list with `docs/read/listening.md`. */
export const EVENT_CONDITIONS: Readonly<Record<keyof AuditEventFilter, Condition>> = {
  action: {
    // A * anywhere else would be compared as it is written, and match nothing.
    accepts: each((text) => /^[^*]+\*?$/.test(text)),
    write: "an action, or how it begins and one * at its end, 'invoice.*', or a list of these",
  },
  resource: texts,
  category: words(CATEGORIES),
  severity: words(SEVERITIES),
  outcome: words(OUTCOMES),
  flags: texts,
  minRisk: {
    accepts: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 100,
    write: 'an integer from 0 to 100',
  },
  tenantId: { accepts: isFilledText, write: 'a text that is not empty' },
};

/**
 * The store's filter for what a decorator says. A condition that is there without a value is refused as well: without
 * it the method would get more than it asks for.
 *
 * @param method `Class.method`, for the message
 * @throws AuditError `AUDIT_INVALID_OPTIONS` naming class, method and field
 */
export function toEventFilter(method: string, filter: AuditEventFilter): EventFilter {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) {
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      `@OnAuditEvent() of ${method}: the filter must be an object; write @OnAuditEvent({ action: 'invoice.*' }), or @OnAuditEvent() for every event.`,
    );
  }
  for (const [name, value] of Object.entries(filter)) {
    if (!Object.hasOwn(EVENT_CONDITIONS, name)) {
      const known = Object.keys(EVENT_CONDITIONS).join(', ');
      throw invalid(method, name, `there is no condition "${name}". The conditions are ${known}.`);
    }
    const { accepts, write } = EVENT_CONDITIONS[name as keyof AuditEventFilter];
    if (accepts(value)) continue;
    throw invalid(method, name, `${name} is not valid; write ${write}.`);
  }
  const { flags, minRisk, tenantId, ...same } = filter;
  return toFilter(
    {
      ...same,
      ...(flags !== undefined && { complianceFlag: flags }),
      ...(minRisk !== undefined && { minRiskScore: minRisk }),
    },
    tenantId,
    // No condition names an id, so nothing of it is redacted.
    new Redactor({ patterns: false }),
  );
}

function invalid(method: string, field: string, what: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTIONS', `@OnAuditEvent() of ${method}: ${what}`, { field });
}
