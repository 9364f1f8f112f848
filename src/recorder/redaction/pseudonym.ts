import { createHmac } from 'node:crypto';
import { AuditError } from '../../event/audit-error.js';
import { pseudonymKeyOf } from './redaction-options.js';

/**
 * What is stored instead of the value where `redaction` says `hmac`: to look for it where no query does so by itself, as in
 * `find({ details: { account: pseudonym('DE89…') }, … })`.
 *
 * @param key that of the option `redaction.pseudonymKey`. @defaultValue the environment variable `AUDIT_PSEUDONYM_KEY`
 * @throws AuditError `AUDIT_INVALID_OPTIONS` where there is no key
 */
export function pseudonym(value: string, key?: string): string {
  return pseudonymBy(pseudonymKeyOf(key === undefined ? {} : { pseudonymKey: key }), value);
}

/** The keyed digest of the mode `hmac` (HMAC-SHA-256, RFC 2104). @throws AuditError `AUDIT_INVALID_OPTIONS` without a key */
export function pseudonymBy(key: Buffer | undefined, value: string): string {
  if (!key) {
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      'There is no key for pseudonyms: write redaction: { pseudonymKey } or set AUDIT_PSEUDONYM_KEY.',
      { field: 'redaction.pseudonymKey' },
    );
  }
  const digest = createHmac('sha256', key).update('nest-audit-trail/pseudonym/v1\0').update(value);
  return `hmac:v1:${digest.digest('base64url')}`;
}

/** Whether the text has the form of a pseudonym. */
export function isPseudonym(text: string): boolean {
  return /^hmac:v1:[\w-]{43}$/.test(text);
}
