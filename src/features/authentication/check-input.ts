import { isFilledText } from '../../event/option-schema.js';
import { AuditError } from '../../event/audit-error.js';
import type { AuthenticationInput } from './inputs.js';

const COMMON: Readonly<Record<keyof AuthenticationInput, PropertyKind>> = {
  // Those without a rule of their own go to record() as they are, which has one.
  tenantId: 'any',
  userId: 'any',
  sessionId: 'any',
  ipAddress: 'any',
  userAgent: 'any',
  timestamp: 'any',
  severity: 'any',
  details: 'facts',
  metadata: 'facts',
  reason: 'text',
  actorType: 'text',
  impersonatorId: 'text',
};

/** What a property must be; each completes "must be …". */
const KINDS = {
  any: { accepts: () => true, what: 'anything' },
  text: { accepts: isFilledText, what: 'a text that is not empty' },
  texts: {
    accepts: (value: unknown) => isFilledText(value) || (Array.isArray(value) && value.every(isFilledText)),
    what: 'a text or a list of texts',
  },
  count: {
    accepts: (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0,
    what: 'an integer from 0',
  },
  outcome: {
    accepts: (value: unknown) => value === 'success' || value === 'failure',
    what: "'success' or 'failure'",
  },
  time: {
    accepts: (value: unknown) =>
      (typeof value === 'number' || value instanceof Date) && !Number.isNaN(new Date(value).getTime()),
    what: 'a time: milliseconds or a Date',
  },
  facts: {
    accepts: (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value),
    what: 'an object',
  },
} as const;

export type PropertyKind = keyof typeof KINDS;

/** What is taken besides what is always taken: each property's kind, and those that are needed. */
export interface InputRules {
  readonly takes: Readonly<Record<string, PropertyKind>>;
  readonly needs?: readonly string[];
  readonly not?: readonly string[];
}

/**
 * Checks what `record()` would not see, since it becomes part of something else.
 *
 * @param call what was called, for the message: `record('login')`
 * @throws AuditError `AUDIT_INVALID_EVENT` naming the property
 */
export function checkInput(call: string, input: unknown, rules: InputRules): void {
  if (!KINDS.facts.accepts(input)) {
    throw invalid(`${call} takes an object`);
  }
  const { takes, needs = [], not = [] } = rules;
  const kinds: Readonly<Record<string, PropertyKind>> = { ...COMMON, ...takes };
  for (const [name, value] of Object.entries(input as object) as [string, unknown][]) {
    if (!Object.hasOwn(kinds, name) || not.includes(name)) {
      const known = Object.keys(kinds).filter((other) => !not.includes(other));
      throw invalid(`${call} has no property "${name}"; it takes ${known.join(', ')}`, name);
    }
    if (value === undefined || value === null) continue;
    const { accepts, what } = KINDS[kinds[name]!];
    if (!accepts(value)) throw invalid(`${name} of ${call} must be ${what}`, name);
  }
  for (const name of needs) {
    if (isFilledText((input as Record<string, unknown>)[name])) continue;
    throw invalid(`${call} needs ${name}, a text that is not empty`, name);
  }
}

export function invalid(what: string, field?: string): AuditError {
  return new AuditError(
    'AUDIT_INVALID_EVENT',
    `The audit event was not recorded: ${what}.`,
    field === undefined ? {} : { field },
  );
}
