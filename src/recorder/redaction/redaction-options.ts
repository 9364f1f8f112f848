import {
  each,
  group,
  oneOf,
  orFalse,
  ruled,
  table,
  text,
  texts,
  wrongOption,
  yesNo,
} from '../../event/option-schema.js';
import { keyBytes } from '../key-bytes.js';
import { PATTERN_NAMES } from './recognisers.js';
import type { PatternName } from './recognisers.js';

/**
 * What stands instead of a value. `remove`: `[redacted]`. `mask`: that with its last four characters. `hmac`: a keyed digest,
 * the same for the same value, see `pseudonym()`.
 */
export type RedactionMode = 'remove' | 'mask' | 'hmac';

export const REDACTION_MODES: readonly RedactionMode[] = ['remove', 'mask', 'hmac'];

/** What of an event is never stored as it came. */
export interface RedactionOptions {
  /**
   * More names of keys whose values are never stored (`docs/comply/privacy.md#secret-keys`). Case, separators
   * and a plural `s` do not count: `taxNumber` also means `TAX_NUMBER` and `tax-numbers`.
   */
  readonly keys?: readonly string[];
  /**
   * Single fields (`docs/comply/privacy.md#single-fields`), and what is stored instead: `'remove'`, `'mask'`
   * or `'hmac'`, such as `{ userId: 'hmac', 'details.*.iban': 'mask' }`. `*` is one part of a key. They have
   * priority over `keys`.
   */
  readonly fields?: Readonly<Record<string, RedactionMode>>;
  /**
   * Secrets that are recognised by what they look like
   * (`docs/comply/privacy.md#secrets-by-what-they-look-like`), and what is stored instead. `false` stores one
   * pattern, or all.
   * @defaultValue all but `email` and `phone` are removed
   */
  readonly patterns?: false | Readonly<Partial<Record<PatternName, RedactionMode | false>>>;
  /**
   * The key of the mode `hmac`: 32 bytes or more, as base64 or hex. @defaultValue the environment variable
   * `AUDIT_PSEUDONYM_KEY`
   */
  readonly pseudonymKey?: string | undefined;
  /** Store IPv4 addresses without their last octet, IPv6 addresses as their /48. @defaultValue `false` */
  readonly truncateIp?: boolean;
}

/** Fields of an event that can be redacted by themselves; besides what is in `details` and `metadata`. */
export const REDACTED_FIELDS = ['userId', 'sessionId', 'resourceId', 'userAgent', 'ipAddress'] as const;
export type RedactedField = (typeof REDACTED_FIELDS)[number];

/** What the library itself needs to read in `metadata`. */
const NEEDED = /^metadata\.(source|sequence|schemaVersion|statusCode|stageErrors|riskFactors|method)$/;
const LEAST_KEY_BYTES = 32;

const mode = oneOf(REDACTION_MODES);
const fields = ruled(table(mode), (given: object) => {
  const field = Object.keys(given).find((name) => !canBeRedacted(name));
  if (field === undefined) return undefined;
  return {
    at: [field],
    fault: `can't be redacted: write one of ${REDACTED_FIELDS.join(', ')}, 'details.iban' or 'metadata.path'; not what the audit itself needs`,
  };
});
const modeOrNone = oneOf([...REDACTION_MODES, false]);

export const redactionSchema = group({
  keys: texts("a list of key names, ['taxNumber']"),
  fields,
  patterns: orFalse(each(PATTERN_NAMES, modeOrNone, "false, or an object, { email: 'mask' }")),
  pseudonymKey: text('32 bytes or more as base64 or hex'),
  truncateIp: yesNo,
});

function canBeRedacted(field: string): boolean {
  const isKnown = REDACTED_FIELDS.some((known) => known === field) || /^(details|metadata)\.[^.]/.test(field);
  return isKnown && !NEEDED.test(field);
}

/**
 * The key of the mode `hmac`, where there is one.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS`, which never quotes a key
 */
export function pseudonymKeyOf({
  fields: byField = {},
  patterns,
  pseudonymKey,
}: RedactionOptions): Buffer | undefined {
  const given = pseudonymKey ?? (process.env['AUDIT_PSEUDONYM_KEY'] || undefined);
  if (given === undefined) {
    if (![...Object.values(byField), ...Object.values(patterns || {})].includes('hmac')) return undefined;
    throw wrongOption(
      'redaction.pseudonymKey',
      "is missing, and the mode 'hmac' needs it: write 32 random bytes as base64, such as openssl rand -base64 32 prints, or set AUDIT_PSEUDONYM_KEY",
    );
  }
  const key = keyBytes(given);
  if (key && key.length >= LEAST_KEY_BYTES) return key;
  const from = pseudonymKey === undefined ? '(from the environment variable AUDIT_PSEUDONYM_KEY) ' : '';
  const fault = key ? `has ${key.length} bytes` : 'is neither base64 nor hex';
  throw wrongOption('redaction.pseudonymKey', `${from}${fault}: write 32 bytes or more as base64 or hex`);
}
