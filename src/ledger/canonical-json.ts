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
  const names = Object.keys(facts);
  // As all are that were stored once: JSON writes them in the order that they have.
  if (isSorted(names)) return JSON.stringify(facts);
  const members = names.sort().map((name) => `${JSON.stringify(name)}:${JSON.stringify(facts[name])}`);
  return `{${members.join(',')}}`;
}

function isSorted(texts: readonly string[]): boolean {
  for (let index = 1; index < texts.length; index += 1) if (texts[index - 1]! > texts[index]!) return false;
  return true;
}
