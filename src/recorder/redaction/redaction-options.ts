import { AuditError } from '../../event/audit-error.js';
import { showValue } from '../../event/show-value.js';
import { keyBytes } from '../key-bytes.js';
import { PATTERN_NAMES } from './recognisers.js';
import type { PatternName } from './recognisers.js';

/**
 * What stands in the place of a value. `remove`: `[redacted]`. `mask`: that with its last four characters. `hmac`: a keyed digest,
 * the same for the same value, see `AuditService.pseudonym()`.
 */
export type RedactionMode = 'remove' | 'mask' | 'hmac';

export const REDACTION_MODES: readonly RedactionMode[] = ['remove', 'mask', 'hmac'];

/** What of an event is never stored as it came. */
export interface RedactionOptions {
  /**
   * Names of further keys whose values are never stored, besides the built-in ones (see `docs/privacy.md`). Compared
   * without regard to case, separators and plural: `taxNumber` also means `TAX_NUMBER` and `tax-numbers`.
   */
  readonly keys?: readonly string[];
  /**
   * Single fields, and what becomes of each: `{ userId: 'hmac', 'details.customer.iban': 'mask' }`. `*` stands for one part of a
   * key: `'details.*.email'`. Counts over the keys.
   */
  readonly fields?: Readonly<Record<string, RedactionMode>>;
  /**
   * Secrets recognised by what they look like, and what becomes of each; `false` for one that is to be stored, or for all.
   * @defaultValue all but `email` and `phone` are removed
   */
  readonly patterns?: false | Readonly<Partial<Record<PatternName, RedactionMode | false>>>;
  /**
   * The key of the mode `hmac`: 32 bytes or more, as base64 or hex. @defaultValue the environment variable
   * `AUDIT_PSEUDONYM_KEY`
   */
  readonly pseudonymKey?: string | undefined;
  /** Store addresses without their last octet (IPv4), or as their /48 (IPv6). @defaultValue `false` */
  readonly truncateIp?: boolean;
}

/** Fields of an event that can be redacted by themselves; besides what is in `details` and `metadata`. */
export const REDACTED_FIELDS = ['userId', 'sessionId', 'resourceId', 'userAgent', 'ipAddress'] as const;

/** What the library itself needs to read in `metadata`. */
const NEEDED = /^metadata\.(source|sequence|schemaVersion|statusCode|stageErrors|riskFactors|method)$/;
const LEAST_KEY_BYTES = 32;

/**
 * @returns the key of the mode `hmac`, where there is one
 * @throws AuditError `AUDIT_INVALID_OPTIONS`, which never quotes a key
 */
export function checkRedaction(
  options: RedactionOptions,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Buffer | undefined {
  const { fields = {}, patterns } = options;
  for (const [field, mode] of Object.entries(fields)) {
    const path = `redaction.fields["${field}"]`;
    if (!REDACTION_MODES.includes(mode))
      throw wrong(path, `is ${showValue(mode)}: write ${listed(REDACTION_MODES)}`);
    const isKnown =
      (REDACTED_FIELDS as readonly string[]).includes(field) || /^(details|metadata)\.[^.]/.test(field);
    if (!isKnown || NEEDED.test(field)) {
      throw wrong(
        path,
        `can't be redacted: write one of ${REDACTED_FIELDS.join(', ')}, 'details.iban' or 'metadata.path'; not what the audit itself needs`,
      );
    }
  }
  if (patterns !== undefined && patterns !== false) {
    if (typeof patterns !== 'object' || patterns === null) {
      throw wrong('redaction.patterns', `is ${showValue(patterns)}: write false, or { email: 'mask' }`);
    }
    for (const [name, mode] of Object.entries(patterns)) {
      if (!(PATTERN_NAMES as readonly string[]).includes(name)) {
        throw wrong(`redaction.patterns.${name}`, `is no pattern: write one of ${PATTERN_NAMES.join(', ')}`);
      }
      if (mode !== false && !REDACTION_MODES.includes(mode as RedactionMode)) {
        throw wrong(
          `redaction.patterns.${name}`,
          `is ${showValue(mode)}: write ${listed(REDACTION_MODES)} or false`,
        );
      }
    }
  }
  const given = options.pseudonymKey ?? (environment['AUDIT_PSEUDONYM_KEY'] || undefined);
  const modes = [...Object.values(fields), ...Object.values(patterns || {})];
  if (given === undefined) {
    if (!modes.includes('hmac')) return undefined;
    throw wrong(
      'redaction.pseudonymKey',
      "is missing, and the mode 'hmac' needs it: write 32 random bytes as base64, such as openssl rand -base64 32 prints, or set AUDIT_PSEUDONYM_KEY",
    );
  }
  const key = keyBytes(given);
  if (key && key.length >= LEAST_KEY_BYTES) return key;
  const from =
    options.pseudonymKey === undefined ? ' (from the environment variable AUDIT_PSEUDONYM_KEY)' : '';
  const fault = key ? `has ${key.length} bytes` : 'is neither base64 nor hex';
  throw wrong(
    'redaction.pseudonymKey',
    `${from ? `${from.trim()} ` : ''}${fault}: write 32 bytes or more as base64 or hex`,
  );
}

function listed(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' or ');
}

function wrong(field: string, fault: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTIONS', `The audit option ${field} ${fault}.`, { field });
}
