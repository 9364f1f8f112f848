import type { SecretTest } from '../../event/flatten.js';
import { CARD_HINT, cardsIn, ibansIn } from './long-numbers.js';
import { secretElements } from './secret-elements.js';
import { secretValues } from './secret-values.js';
import { userInfoIn } from './url-user-info.js';
import { endOfLine, valueInText } from './value-in-text.js';
import type { Place } from './value-in-text.js';

/** Finds one kind of secret. Each takes time in proportion to the text: no repetition is open in two ways at once. */
export interface Recogniser {
  /** Cheap: where it finds nothing, there is nothing. */
  readonly hint: RegExp;
  /** The places of secrets. Of those that overlap, the one that begins first counts. */
  readonly find: (text: string, isSecret: SecretTest) => readonly Place[];
}

/** @param secret the part of what was found that is secret; all of it where there is no such group */
function matches(found: RegExp): Recogniser['find'] {
  const pattern = new RegExp(found.source, `${found.flags}dg`);
  return (text) =>
    Array.from(text.matchAll(pattern), ({ indices }) => indices!.groups?.['secret'] ?? indices![0]!);
}

/** The value after each match that is not within the one before; where the match has a key, after secret ones only. */
function valuesAfter(found: RegExp): Recogniser['find'] {
  return (text, isSecret) => {
    const places: Place[] = [];
    for (const { 0: before, index, groups } of text.matchAll(found)) {
      const at = index + before.length;
      if (at < (places.at(-1)?.[1] ?? 0) || (groups && !isSecret(groups['key']!))) continue;
      const [begin, end] = valueInText(text, at);
      // A list is none of a command line.
      places.push([begin, groups && /[{[]/.test(text[begin] ?? '') ? endOfLine(text, begin) : end]);
    }
    return places;
  };
}

/** What is recognised in a text, wherever it stands, in this order. `docs/comply/privacy.md` has the same list. */
export const RECOGNISERS = {
  // RFC 9110, section 11.6.2: a scheme and its credentials.
  authorization: {
    hint: /\b(?:bearer|basic|digest|negotiate|apikey|token)\s/i,
    find: credentialsIn,
  },
  // RFC 7519 and 7516: base64url of {" begins with eyJ.
  jwt: {
    hint: /eyJ/,
    find: tokensIn,
  },
  // RFC 7468, OpenSSH's own, RFC 4716 and PuTTY's.
  privateKey: {
    hint: /---- ?BEGIN|PuTTY-User-Key-File/,
    // What is between the lines may be anything, such as the headers of an encrypted key. What has no end, ends with the text.
    find: matches(
      /(?:-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY ----|PuTTY-User-Key-File-\d)[^]*?(?:----(?:-| )END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?(?:-| )----|Private-MAC: ?[0-9a-f]*|$)/i,
    ),
  },
  // The form of crypt(5), which says by what it was made.
  passwordHash: {
    hint: /\$[\w-]{1,32}\$/,
    find: matches(
      /\$(?:2[abxy]?|[156y]|apr1|gy|7|argon2(?:id|i|d)|scrypt|pbkdf2[\w-]{0,16})\$[^\s"'<>;]{16,512}/,
    ),
  },
  cloudKey: {
    hint: /A[KS]IA|AGE-SECRET-KEY-|AIza|gh[pousr]_|github_pat_|GOCSPX-|xox[a-eprs]-|xapp-|whsec_|[rs]k_(?:live|test)_|npm_|gl(?:pat|rt|dt|ptt)-|SG\.|sk-|ya29\.|AccountKey=|sig=/,
    find: matches(
      new RegExp(
        [
          '\\bA[KS]IA[A-Z0-9]{16}\\b',
          '\\bAGE-SECRET-KEY-1[A-Z0-9]{40,}',
          '\\bAIza[\\w-]{35}',
          '\\bgh[pousr]_[A-Za-z0-9]{30,}',
          '\\bgithub_pat_\\w{30,}',
          '\\bGOCSPX-[\\w-]{20,}',
          '\\bxox[a-eprs]-[A-Za-z0-9%+/=-]{10,}',
          '\\bxapp-\\d-[A-Za-z0-9-]{10,}',
          '\\bwhsec_[A-Za-z0-9+/=]{20,}',
          '\\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}',
          '\\bnpm_[A-Za-z0-9]{36}',
          '\\bgl(?:pat|rt|dt|ptt)-[\\w-]{20,}',
          '\\bSG\\.[\\w-]{16,}\\.[\\w-]{16,}',
          '\\bsk-[\\w-]{20,}',
          '\\bya29\\.[\\w-]{20,}',
          '\\b(?:AccountKey|sig)=(?<secret>[A-Za-z0-9%+/=_-]{20,})',
        ].join('|'),
      ),
    ),
  },
  // RFC 3986, section 3.2.1.
  url: {
    hint: /\/\//,
    find: userInfoIn,
  },
  card: {
    hint: CARD_HINT,
    find: cardsIn,
  },
  iban: {
    hint: /[A-Z]{2}\d{2}/i,
    find: ibansIn,
  },
  email: {
    hint: /@/,
    find: matches(/(?<![\w.+%-])[\w.+%-]+@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b/),
  },
  phone: {
    hint: /\d{3}/,
    find: matches(/(?<![\w.])(?:\+|0)\d(?:[ ()/-]{0,2}\d){6,13}(?!\w|\.\d)/),
  },
} satisfies Readonly<Record<string, Recogniser>>;

export type PatternName = keyof typeof RECOGNISERS;
export const PATTERN_NAMES = Object.keys(RECOGNISERS) as PatternName[];

/** These are looked for only if asked for: they are no secrets everywhere. */
export const ASKED_FOR: ReadonlySet<PatternName> = new Set(['email', 'phone']);

/** What is recognised by the name before it. */
export const BY_NAME: readonly Recogniser[] = [
  { hint: /<\p{L}/u, find: secretElements },
  {
    hint: /-[a-z]/i,
    // `--password hunter2`, and the same in a list of texts: `["--password", "hunter2"]`.
    find: valuesAfter(
      /(?<![^\s"'`=(,[{])--?(?<key>[a-z][\w.-]*)(?:\s{1,8}|\\{0,8}["'`]\s{0,3},\s{0,3})(?![-\s])/gi,
    ),
  },
  {
    hint: /\bidentified\s/i,
    // `IDENTIFIED BY '…'`, as SQL gives a user a password.
    find: valuesAfter(
      /\bidentified\s{1,8}(?:(?:with|via)\s{1,8}[^\s]{1,64}\s{1,8})?(?:by|as|using)\s{1,8}(?:password\s{0,8}\(?\s{0,8})?(?=\\{0,8}["'`])/gi,
    ),
  },
  {
    hint: /\bcurl\b/i,
    // `-u user:password`; also in a list of texts. A backslash before a quote belongs to that.
    find: matches(
      /(?<![^\s"'`,[(])(?:-u|-U|--user|--proxy-user)(?:\s{0,8}=?\s{0,8}|\\{0,8}["'`]\s{0,3},\s{0,3})\\{0,8}["'`]?[^\s:"'`]{1,128}:(?<secret>(?:[^\s"'`\\]|\\(?!["'`\\]))+)/,
    ),
  },
  { hint: /[=:"'`]/, find: secretValues },
];

const CREDENTIALS =
  /\b(?<scheme>bearer|basic|digest|negotiate|apikey|token)\s{1,4}(?<secret>[\w.~+/=-]{8,})/dgi;
/** `user:password` (RFC 7617). */
const BASIC = /^[^\p{Cc}\ufffd:]*:/u;
/** What is no ordinary word. */
const RANDOM = /\d|[a-z][A-Z]|^.{20}/;

/** After a scheme that is a word of everyday language, only what is no such word itself. */
function credentialsIn(text: string): Place[] {
  return Array.from(text.matchAll(CREDENTIALS)).flatMap(({ groups, indices }) => {
    const { scheme = '', secret = '' } = groups!;
    const isSecret = /basic/i.test(scheme)
      ? BASIC.test(Buffer.from(secret, 'base64').toString())
      : /bearer|apikey/i.test(scheme) || RANDOM.test(secret);
    return isSecret ? [indices!.groups!['secret']!] : [];
  });
}

/** Each run of the characters of a token is looked at once. */
const TOKEN = /[\w.-]{12,}/g;
const JWT = /(?:^|[^A-Za-z0-9])eyJ[\w-]{6}/;

function tokensIn(text: string): Place[] {
  const places: Place[] = [];
  for (const { 0: run, index } of text.matchAll(TOKEN)) {
    const found = JWT.exec(run);
    if (!found) continue;
    const begin = found.index + found[0].indexOf('eyJ');
    if (run.includes('.', begin + 'eyJ'.length + 6)) places.push([index + begin, index + run.length]);
  }
  return places;
}
