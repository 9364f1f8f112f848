import { REDACTED } from '../event/safe-text.js';

/**
 * The path with the values of secret parameters redacted: `/reset/abc` by the route `/reset/:token` is
 * `/reset/[redacted]`. Where path and pattern don't line up segment by segment (wildcards, optional parts), and the
 * pattern has a secret parameter, the pattern itself stands for the path. `undefined` where the path is not of the
 * route.
 *
 * @param path without query
 * @param route the platform's pattern, with `:name` and `*name` parameters
 */
export function redactPath(
  path: string,
  route: string,
  isSecretKey: (key: string) => boolean,
): string | undefined {
  const names = route.match(/[:*][\p{L}\p{N}_$]+/gu) ?? [];
  if (!names.some((name) => isSecretKey(name.slice(1)))) return path;
  const actual = path.replace(/\/+$/, '').split('/');
  const pattern = route.replace(/\/+$/, '').split('/');
  if (/[*{}()]/.test(route)) return matchesLoosely(actual, pattern) ? route : undefined;
  if (actual.length !== pattern.length) return undefined;
  let matches = true;
  const segments = actual.map((segment, index) => {
    const part = pattern[index] ?? '';
    const inside = part.match(/:[\p{L}\p{N}_$]+/gu) ?? [];
    if (inside.length === 0 && part.toLowerCase() !== segment.toLowerCase()) matches = false;
    return inside.some((name) => isSecretKey(name.slice(1))) ? REDACTED : segment;
  });
  return matches ? segments.join('/') : undefined;
}

/** Whether a path may be of a pattern with wildcards or optional parts: they agree up to the first of these. */
function matchesLoosely(actual: readonly string[], pattern: readonly string[]): boolean {
  for (const [index, part] of pattern.entries()) {
    if (/[*{}()]/.test(part)) return true;
    if (!part.includes(':') && part.toLowerCase() !== (actual[index] ?? '').toLowerCase()) return false;
  }
  return true;
}
