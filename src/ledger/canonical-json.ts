import type { AuditFacts } from '../event/audit-log-event.js';

/**
 * The JSON Canonicalization Scheme (RFC 8785) for the flat records and lists that an event is made of: keys sorted
 * by UTF-16 code units, no white space, ECMAScript's own form of numbers and strings.
 *
 * @param value well-formed text and finite numbers only, as the pipeline leaves them
 */
export function canonicalJson(value: AuditFacts | readonly string[]): string {
  if (Array.isArray(value)) return JSON.stringify(value);
  const facts = value as AuditFacts;
  const members = Object.keys(facts)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${JSON.stringify(facts[key])}`);
  return `{${members.join(',')}}`;
}
