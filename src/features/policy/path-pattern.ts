import type { RequestPath } from './request-path.js';

/**
 * Whether a path is one of a pattern's. The pattern is a glob of path segments: `*` stands for any one, `**` for any number, none included;
 * everything else for what it is. No regular expression, so that no path makes it slow.
 *
 * @param text checked by {@link flawOfPattern}
 * @param toTheLetter whether every router must take the path for one of the pattern's: it is spelled as the pattern is, in the same case,
 *   without escapes that need not be, without another slash at its end. Else it is enough that any router could
 */
export function pathTest(text: string, toTheLetter: boolean): (path: RequestPath) => boolean {
  const segments = text.slice(1).split('/');
  if (toTheLetter) {
    // A path is sent encoded, a pattern is written as people read it.
    const wanted = segments.map((segment) => encodeURI(segment));
    return ({ literal }) => literal !== undefined && fitsSegments(wanted, literal);
  }
  const wanted = segments.filter((segment) => segment !== '').map((segment) => segment.toLowerCase());
  return ({ generous }) => generous.some((way) => fitsSegments(wanted, way));
}

/** Why a text is no pattern, as what to write instead; `undefined` where it is one. */
export function flawOfPattern(text: string): string | undefined {
  if (!text.startsWith('/')) return "a path from its first slash, '/reports/**'";
  if (/[?#\\;%]|[^\P{C}]/u.test(text)) {
    return 'a path as people read it: without query, escapes, semicolons and backslashes';
  }
  const segments = text.slice(1).split('/');
  // The last may be empty: that is a slash at the end.
  if (segments.slice(0, -1).includes('')) return 'a path without doubled slashes';
  if (segments.some((segment) => segment === '.' || segment === '..')) {
    return "a path without '.' and '..'";
  }
  if (segments.some((segment) => segment.includes('*') && segment !== '*' && segment !== '**')) {
    return "whole segments: '*' for any one, '**' for any number";
  }
  if (segments.some((segment) => segment.startsWith(':'))) {
    return "'*' for a parameter, or match.route for the platform's pattern";
  }
  return undefined;
}

/** Tries the last `**` longer and longer: at worst the product of both lengths. */
function fitsSegments(pattern: readonly string[], path: readonly string[]): boolean {
  let [at, from] = [0, 0];
  let [star, starFrom] = [-1, 0];
  while (from < path.length) {
    const wanted = pattern[at];
    if (wanted === '**') {
      star = at;
      starFrom = from;
      at += 1;
    } else if (wanted === '*' ? path[from] !== '' : wanted === path[from]) {
      at += 1;
      from += 1;
    } else if (star >= 0) {
      starFrom += 1;
      from = starFrom;
      at = star + 1;
    } else return false;
  }
  while (pattern[at] === '**') at += 1;
  return at === pattern.length;
}
