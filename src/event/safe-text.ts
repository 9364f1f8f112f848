import { createHash } from 'node:crypto';

/** Longest stored text of each event property, in UTF-16 code units; the columns of the table are as wide. */
export const TEXT_LIMITS = {
  tenantId: 128,
  userId: 255,
  action: 128,
  resource: 128,
  resourceId: 255,
  ipAddress: 45,
  userAgent: 512,
  sessionId: 255,
} as const;

/** Stands where a secret was. */
export const REDACTED = '[redacted]';

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Printable ASCII, as most texts are: there is nothing to be done about it. */
const PRINTABLE = /^[ -~]*$/;

/**
 * Text that is safe in every database, log and terminal: control characters, and those that change the
 * direction of writing, become visible escapes (`\u000d`). Lone surrogates become U+FFFD (I-JSON, RFC 7493
 * section 2.1). A text longer than `limit` is cut, with a visible mark that says how long it was.
 */
export function safeText(text: string, limit: number, originalLength = text.length): string {
  if (text.length <= limit && PRINTABLE.test(text)) return text;
  const escaped = cutText(text, limit, originalLength).replace(
    CONTROL,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return escaped.length > limit ? cutText(escaped, limit, originalLength) : escaped;
}

/** How a text ends that could not be stored as it was, and has a digest of all of it. */
const MARKED = /…\[sha256:[\w-]{22}\]$/;

/**
 * Safe text by which things are told apart, such as users: what can't be stored as it is ends in a digest of all of it, so that two
 * different texts stay different.
 *
 * @param isStrict also mark a text that only looks like one that is marked already, so that it can't be taken for another's
 */
export function safeId(text: string, limit: number, isStrict = false): string {
  if (text.length <= limit && PRINTABLE.test(text)) return text;
  const safe = safeText(text, limit);
  if (safe === text && !(isStrict && MARKED.test(text))) return text;
  // Not of its UTF-8, in which all lone surrogates are alike.
  const digest = createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('base64url').slice(0, 22);
  const mark = `…[sha256:${digest}]`;
  const kept = safe.slice(0, limit - mark.length).replace(/[\ud800-\udbff]$/, '');
  return kept + mark;
}

/** Whether a tenant of this id is stored under it, and no other is. */
export function isTenantId(text: string): boolean {
  return safeId(text, TEXT_LIMITS.tenantId, true) === text;
}

/** Well-formed text of at most `limit` UTF-16 code units, with a marker where it was cut. */
export function cutText(text: string, limit: number, originalLength = text.length): string {
  if (text.length <= limit) return text.toWellFormed();
  const marker = `…[cut from ${originalLength}]`;
  const kept = text.slice(0, Math.max(0, limit - marker.length)).replace(/[\ud800-\udbff]$/, '');
  return kept.toWellFormed() + marker;
}
