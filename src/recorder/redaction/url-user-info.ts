import type { Place } from './value-in-text.js';

/**
 * What follows a scheme, or something that is not one, up to where the URL ends or another begins: no two overlap. An apostrophe ends it,
 * unless a letter follows.
 */
const URL_REST = /(?<colon>:|(?<![^\s"'`=(,<>]))\/\/(?<rest>(?:(?!:\/\/)[^\s"'<>`]|'(?=[\w@!#$%^*?~]))*)/g;
const WEB = /(?:https?|wss?)$/i;
/** Who is no secret: the user of everybody who clones a repository. */
const EVERYBODY = 'git';
/** Of other schemes than those of the web, a user that is this long is a token. */
const TOKEN_LENGTH = 20;

/**
 * The passwords within URLs, `https://user:password@host`, also where they hold an `@` or a `/` that should have been encoded; and
 * tokens instead of a user, `https://token@host`.
 */
export function userInfoIn(text: string): Place[] {
  const places: Place[] = [];
  for (const { index, groups } of text.matchAll(URL_REST)) {
    const { rest = '', colon = '' } = groups!;
    const secret = secretOf(rest, text.slice(Math.max(0, index - 5), index));
    if (!secret) continue;
    const begin = index + colon.length + '//'.length;
    places.push([begin + secret[0], begin + secret[1]]);
  }
  return places;
}

function secretOf(rest: string, scheme: string): Place | undefined {
  if (rest.startsWith('[')) return undefined;
  const authority = rest.slice(0, endOf(rest, /[/?#\\]/));
  const colon = authority.indexOf(':');
  const at = authority.lastIndexOf('@');
  if (colon >= 0 && (at < 0 || colon < at)) {
    // Without an `@` in the authority, what looks like a port is one, and the `@` behind it a part of the path.
    if (at < 0 && /^\d{0,5}$/.test(authority.slice(colon + 1))) return undefined;
    // Up to the last `@` before a query: a password may hold what ends an authority.
    const reach = at < 0 ? rest.length : at + endOf(rest.slice(at), /[?#]/);
    const end = rest.lastIndexOf('@', reach);
    return end > colon + 1 ? [colon + 1, end] : undefined;
  }
  if (at <= 0) return undefined;
  const user = authority.slice(0, at);
  const isToken = WEB.test(scheme) ? user.toLowerCase() !== EVERYBODY : user.length >= TOKEN_LENGTH;
  return isToken ? [0, at] : undefined;
}

function endOf(text: string, ending: RegExp): number {
  const end = text.search(ending);
  return end < 0 ? text.length : end;
}
