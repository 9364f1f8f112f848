import type { SecretTest } from '../../event/flatten.js';
import { percentDecoded } from '../../event/percent-encoding.js';
import { RecentMap } from '../../event/recent-map.js';
import { REDACTED } from '../../event/safe-text.js';

/** A platform's route pattern with a parameter whose values are secret (`/reset/:token`), read once. */
interface SecretRoute {
  /** Its segments up to the first wildcard or optional part. */
  readonly parts: readonly Part[];
  /** From there on, everything is the wildcard's value. */
  readonly isWild: boolean;
}

/** What a segment of a path must be to be that of the route, and whether it is then secret. */
interface Part {
  /** In lower case; `undefined` for a parameter. */
  readonly literal: string | undefined;
  readonly isSecret: boolean;
}

const SEPARATOR = /[/\\]|%(?:25)*(?:2f|5c)/i;
/** A text that is escaped within an escaped text, and no further. */
const DEPTH = 3;
const PATTERNS_REMEMBERED = 10_000;
/** A longer pattern is read each time: a client has written a part of it. */
const LONGEST_REMEMBERED = 512;

/** The paths of requests as they may be stored: with the values of secret parameters redacted. */
export class SafePaths {
  /** By pattern; `null` for one without a secret parameter. A router that is mounted on a parameter may have one for each of its values. */
  private readonly known = new RecentMap<string, SecretRoute | null>(PATTERNS_REMEMBERED);
  /** The routes by their last fixed segment, which few have in common, and by pattern, with its place among their parts. */
  private readonly likely = new Map<string, Map<string, readonly [route: SecretRoute, place: number]>>();

  constructor(private readonly isSecretKey: SecretTest) {}

  /** Learns route patterns of the application, beside those that it has: a request may be meant for one that it does not reach. */
  learn(patterns: readonly string[]): void {
    for (const pattern of patterns) {
      const route = this.routeOf(pattern);
      const place = route?.parts.findLastIndex(({ literal }) => literal !== undefined) ?? -1;
      if (!route || place < 0) continue;
      const literal = route.parts[place]!.literal!;
      const likely = this.likely.get(literal) ?? new Map<string, readonly [SecretRoute, number]>();
      this.likely.set(literal, likely.set(pattern, [route, place]));
    }
  }

  /**
   * The path of a request that found its route: `/reset/abc` by the route `/reset/:token` is `/reset/[redacted]`. Where the two don't
   * line up segment by segment (wildcards, optional parts), the pattern itself stands for the path.
   *
   * @param path without query
   */
  ofRoute(path: string, pattern: string): string {
    const route = this.routeOf(pattern);
    // A mount that is not in the pattern may have a secret parameter.
    if (!route) return isShort(pattern, path) ? this.ofNoRoute(path) : path;
    const { parts, isWild } = route;
    // The empty segment before the first slash is the first part as well.
    const segments = withoutTrailingSlashes(path).split('/', parts.length + 2);
    if (isWild || segments.length !== parts.length + 1 || !fits(segments, parts, 1)) return pattern;
    return segments.map((segment, index) => (parts[index - 1]?.isSecret ? REDACTED : segment)).join('/');
  }

  /**
   * The path of a request that found no route, with what would be a secret parameter redacted if it was meant for one of the learned
   * routes: also behind a prefix, before a rest, with slashes doubled and letters escaped. Looks at each segment once.
   *
   * @param path without query
   */
  ofNoRoute(path: string): string {
    if (this.likely.size === 0) return path;
    const segments = path.split(SEPARATOR);
    const read = segments.map((segment) => asRead(segment));
    // Segments that are one to whoever reads the path, by their places.
    const steps = [...read.keys()].filter((at) => read[at] !== '' && read[at] !== '.');
    const secret = new Set<number>();
    let end = this.noteSecrets(read, steps, secret);
    if (read.includes('..')) {
      // As a client or a proxy would shorten it, too.
      const left: number[] = [];
      for (const at of steps) {
        if (read[at] === '..') left.pop();
        else left.push(at);
      }
      end = Math.min(end, this.noteSecrets(read, left, secret));
    }
    if (secret.size === 0) return path;
    const kept = steps.filter((at) => at <= end);
    return `/${kept.map((at) => (secret.has(at) ? REDACTED : segments[at])).join('/')}`;
  }

  /**
   * Looks at each step once.
   *
   * @param steps places in what is read
   * @param secret gets the places of segments that would be secret
   * @returns the last place that is to be kept
   */
  private noteSecrets(read: readonly string[], steps: readonly number[], secret: Set<number>): number {
    const words = steps.map((at) => read[at]!);
    let end = steps.length;
    for (let index = 0; index < end; index += 1) {
      for (const [{ parts, isWild }, place] of this.likely.get(words[index]!)?.values() ?? []) {
        const begin = index - place;
        if (begin < 0 || !fits(words, parts, begin)) continue;
        parts.forEach((part, more) => part.isSecret && secret.add(steps[begin + more]!));
        if (isWild && begin + parts.length < end) {
          end = begin + parts.length;
          secret.add(steps[end]!);
        }
      }
    }
    return steps[end] ?? Infinity;
  }

  private routeOf(pattern: string): SecretRoute | null {
    if (pattern.length > LONGEST_REMEMBERED) return this.readRoute(pattern);
    return this.known.getOrMake(pattern, () => this.readRoute(pattern));
  }

  private readRoute(pattern: string): SecretRoute | null {
    if (!this.hasSecretParameter(pattern)) return null;
    const parts = withoutTrailingSlashes(pattern)
      .split('/')
      .filter((part) => part !== '');
    const wild = parts.findIndex((part) => /[*{}()]/.test(part));
    const fixed = wild === -1 ? parts : parts.slice(0, wild);
    return {
      isWild: wild !== -1,
      parts: fixed.map((part) => ({
        literal: part.includes(':') ? undefined : part.toLowerCase(),
        isSecret: part.includes(':') && this.hasSecretParameter(part),
      })),
    };
  }

  /** Whether a pattern has a parameter (`:name`, `*name`) whose values are secret. */
  private hasSecretParameter(pattern: string): boolean {
    return (pattern.match(/[:*][\p{L}\p{N}_$]+/gu) ?? []).some((name) => this.isSecretKey(name.slice(1)));
  }
}

/** A segment as the most generous server reads it: decoded, without its parameters (RFC 3986, section 3.3) and the spaces around it. */
function asRead(segment: string): string {
  let text = segment;
  for (let depth = 0; depth < DEPTH && text.includes('%'); depth += 1) text = percentDecoded(text);
  const end = text.indexOf(';');
  return (end < 0 ? text : text.slice(0, end)).trim().toLowerCase();
}

/** Whether the segments from the place on are those of the route. */
function fits(segments: readonly string[], parts: readonly Part[], begin: number): boolean {
  return (
    begin + parts.length <= segments.length &&
    parts.every(
      ({ literal }, index) => literal === undefined || literal === segments[begin + index]!.toLowerCase(),
    )
  );
}

/** Whether a pattern without wildcards has fewer segments than the path. */
function isShort(pattern: string, path: string): boolean {
  return slashesIn(pattern) < slashesIn(path) && !/[*{(]/.test(pattern);
}

function slashesIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf('/'); at >= 0; at = text.indexOf('/', at + 1)) count += 1;
  return count;
}

function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path.charCodeAt(end - 1) === 47) end -= 1;
  return path.slice(0, end);
}
