import { REDACTED } from '../event/safe-text.js';

type SecretTest = (key: string) => boolean;

/** Whether a platform's route pattern has a parameter (`:name`, `*name`) whose values are secret. */
export function hasSecretParameter(pattern: string, isSecretKey: SecretTest): boolean {
  return (pattern.match(/[:*][\p{L}\p{N}_$]+/gu) ?? []).some((name) => isSecretKey(name.slice(1)));
}

/**
 * The path of a request that found its route, with the values of secret parameters redacted: `/reset/abc` by the route
 * `/reset/:token` is `/reset/[redacted]`. Where the two don't line up segment by segment (wildcards, optional parts),
 * the pattern itself stands for the path.
 *
 * @param path without query
 */
export function redactPath(path: string, pattern: string, isSecretKey: SecretTest): string {
  if (!hasSecretParameter(pattern, isSecretKey)) return path;
  const actual = withoutTrailingSlashes(path).split('/');
  const parts = withoutTrailingSlashes(pattern).split('/');
  if (/[*{}()]/.test(pattern) || actual.length !== parts.length) return pattern;
  return redactAt(actual, parts, 0, isSecretKey) ?? pattern;
}

/**
 * The path of a request that found no route, with what would be a secret parameter redacted if it was meant for the
 * pattern: also behind a prefix, before a rest, and with slashes doubled.
 */
export function redactLikely(path: string, pattern: string, isSecretKey: SecretTest): string {
  // Up to the first wildcard or optional part; from a wildcard on, everything is its value.
  const parts = pattern.split('/').filter((part) => part !== '');
  const wild = parts.findIndex((part) => /[*{}()]/.test(part));
  const fixed = wild === -1 ? parts : parts.slice(0, wild);
  if (!fixed.some((part) => !part.includes(':'))) return path;
  const actual = path.split('/').filter((segment) => segment !== '');
  for (let offset = 0; offset + fixed.length <= actual.length; offset += 1) {
    const redacted = redactAt(actual, fixed, offset, isSecretKey);
    if (redacted === undefined) continue;
    if (wild === -1) return `/${redacted}`;
    return `/${[...actual.slice(0, offset + fixed.length), REDACTED].join('/')}`;
  }
  return path;
}

/** The segments with the secret ones redacted, or `undefined` where the pattern is not there at the offset. */
function redactAt(
  actual: readonly string[],
  parts: readonly string[],
  offset: number,
  isSecretKey: SecretTest,
): string | undefined {
  const segments = [...actual];
  for (const [index, part] of parts.entries()) {
    if (!part.includes(':')) {
      if (part.toLowerCase() !== segments[offset + index]?.toLowerCase()) return undefined;
    } else if (hasSecretParameter(part, isSecretKey)) segments[offset + index] = REDACTED;
  }
  return segments.join('/');
}

function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path.charCodeAt(end - 1) === 47) end -= 1;
  return path.slice(0, end);
}
