import { pathOfTarget } from '../../capture/request-target.js';
import { strictlyDecoded } from '../../event/percent-encoding.js';

/**
 * A path as two readers may understand it. What a client sends is only sometimes what a router takes it for: one
 * decodes segments and another does not, one minds case, one takes a backslash for a slash. So a path is read twice:
 * by the most generous readers, and by the one who insists on the letter.
 */
export interface RequestPath {
  /**
   * Decoded and in lower case, without the empty ones, in each of the ways in which a router might: an escaped slash is a
   * part of its segment, or parts it; `..` is a name, or leaves the segment before it.
   */
  readonly generous: readonly (readonly string[])[];
  /** As they were sent; `undefined` where readers could differ about what the path is. */
  readonly literal: readonly string[] | undefined;
}

/** @param target as it was sent; what follows a question mark does not count */
export function readPath(target: string): RequestPath {
  const path = pathOfTarget(target).trim();
  const segments = path.split(/[/\\]/).map(decoded);
  const apart = segments.flatMap((segment) => segment.split(/[/\\]/));
  const ways = /[%.]/.test(path) ? [segments, apart, withoutDots(segments), withoutDots(apart)] : [segments];
  const generous = ways.map((way) => way.filter((segment) => segment !== ''));
  const [sent = ''] = target.split('?', 1);
  const literal = sent.slice(1).split('/');
  return { generous, literal: isPlain(sent) && literal.every(isPlainSegment) ? literal : undefined };
}

/** As URL parsers resolve a path (RFC 3986, section 5.2.4). */
function withoutDots(segments: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  return kept;
}

function decoded(segment: string): string {
  return (strictlyDecoded(segment) ?? segment).toLowerCase();
}

/** Visible ASCII, of which a backslash, a semicolon and what ends a path mean different things to different readers. */
function isPlain(path: string): boolean {
  return /^\/[!-~]*$/.test(path) && !/[\\;?#]|\/\//.test(path);
}

function isPlainSegment(segment: string): boolean {
  const text = strictlyDecoded(segment);
  if (text === undefined || text === '.' || text === '..') return false;
  // oxlint-disable-next-line no-control-regex -- exactly these are meant
  return text === segment || !/[/\\%;?#\u0000-\u001f\u007f]/.test(text);
}
