import { checkOption } from '../../event/option-schema.js';
import { truncatedIp } from '../../event/ip-address.js';
import { RecentMap } from '../../event/recent-map.js';
import { REDACTED } from '../../event/safe-text.js';
import { decodedText } from './decoded-text.js';
import { ASKED_FOR, BY_NAME, PATTERN_NAMES, RECOGNISERS } from './recognisers.js';
import type { Recogniser } from './recognisers.js';
import { pseudonymBy } from './pseudonym.js';
import { pseudonymKeyOf, redactionSchema } from './redaction-options.js';
import type { RedactionMode, RedactionOptions } from './redaction-options.js';
import { createSecretKeyTest } from './secret-key.js';
import type { SecretTest } from '../../event/flatten.js';
import type { Place } from './value-in-text.js';

/** Shorter texts hold no secret that can be told from a word. */
const SHORTEST = 6;
/** A text within a text within a text, and no further. */
const DEPTH = 3;
const TEXTS_REMEMBERED = 2_000;
const LONGEST_REMEMBERED = 256;
const KEPT_BY_MASK = 4;
/** Of a shorter one, its last characters would be half of it. */
const SHORTEST_MASKED = 12;

const BASE64 = /[A-Za-z0-9+/_-]{8,}={0,2}/g;
const BASE64_HINT = /[A-Za-z0-9+/_-]{12}|[A-Za-z0-9+/_-]{8,}=/;
/** `user:password`, as RFC 7617 has it encoded; no JSON, and no address. */
const USER_PASSWORD = /^(?:(?![:"{}[\]<>])[!-~]){1,128}:(?!\/\/)\S{1,256}$/;
/** What has a colon as well: a global id of GraphQL (`Invoice:42`), a time. */
const NO_PASSWORD =
  /^(?:[A-Z][A-Za-z]{0,63}:(?:\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|\d{4}-\d\d-\d\dT.*)$/;
// oxlint-disable-next-line no-control-regex
const PRINTABLE_TEXT = /^[\t\n\r\u0020-\u007e\u00a0-\ud7ff]+$/;

/** What of an event is never stored as it came: by its key, by its place, and by what it looks like. Pure, apart from its key. */
export class Redactor {
  /** Whether the values of a key are secret. */
  readonly isSecretKey: SecretTest;
  private readonly key: Buffer | undefined;
  private readonly scans: readonly Scan[];
  private readonly fields: ReadonlyMap<string, RedactionMode>;
  private readonly wildFields: readonly (readonly [matches: RegExp, mode: RedactionMode])[];
  private readonly truncatesIp: boolean;
  /** Of actions, routes and user agents there are few: those in which nothing was found need not be looked at again. */
  private readonly clean = new RecentMap<string, true>(TEXTS_REMEMBERED);

  /** @throws AuditError `AUDIT_INVALID_OPTIONS` */
  constructor(options: RedactionOptions = {}) {
    checkOption(redactionSchema, options, 'redaction');
    this.key = pseudonymKeyOf(options);
    this.isSecretKey = createSecretKeyTest(options.keys);
    this.truncatesIp = options.truncateIp ?? false;
    this.scans = scansOf(options.patterns);
    this.fields = new Map(Object.entries(options.fields ?? {}));
    this.wildFields = [...this.fields]
      .filter(([field]) => field.includes('*'))
      .map(([field, mode]) => [wildcard(field), mode]);
  }

  /** Whether the options name the field, word for word. */
  names(field: string): boolean {
    return this.fields.has(field);
  }

  /** Whether single fields of this record are redacted. */
  hasFields(record: 'details' | 'metadata'): boolean {
    const begins = `${record}.`;
    return [...this.fields.keys()].some((field) => field.startsWith(begins));
  }

  /** Whether any field is redacted by itself. */
  get hidesFields(): boolean {
    return this.fields.size > 0;
  }

  /** What becomes of the field, where the options say so. @param field `userId`, `details.customer.iban` */
  modeOf(field: string): RedactionMode | undefined {
    return this.fields.get(field) ?? this.wildFields.find(([matches]) => matches.test(field))?.[1];
  }

  /** What stands instead of the value. */
  redact(value: string, mode: RedactionMode): string {
    if (mode === 'hmac') return pseudonymBy(this.key, value);
    if (mode === 'remove' || value.length < SHORTEST_MASKED) return REDACTED;
    return `[redacted …${value.slice(-KEPT_BY_MASK)}]`;
  }

  /** A field of the event by its name: as the options say, or without what looks like a secret. */
  field(name: string, value: string): string {
    const mode = this.fields.size > 0 ? this.modeOf(name) : undefined;
    return mode ? this.redact(value, mode) : this.text(value);
  }

  ip(address: string): string {
    return this.truncatesIp ? truncatedIp(address) : address;
  }

  /** The text without what looks like a secret. Takes time in proportion to the text. */
  text(text: string): string {
    if (this.clean.get(text)) return text;
    const safe = this.looked(text, 0);
    if (safe !== text || text.length > LONGEST_REMEMBERED) return safe;
    this.clean.set(text, true);
    return safe;
  }

  private looked(text: string, depth: number): string {
    if (text.length < SHORTEST || this.scans.length === 0) return text;
    let safe = text;
    for (const { hint, find, mode } of this.scans) {
      if (hint.test(safe)) safe = this.withoutPlaces(safe, find(safe, this.isSecretKey), mode);
    }
    return depth < DEPTH ? this.encoded(safe, depth) : safe;
  }

  private withoutPlaces(text: string, places: readonly Place[], mode: RedactionMode): string {
    if (places.length === 0) return text;
    let safe = '';
    let done = 0;
    for (const [begin, end] of places.toSorted(([left], [right]) => left - right)) {
      if (begin < done) continue;
      const secret = text.slice(begin, end);
      safe += text.slice(done, begin) + (secret === REDACTED ? secret : this.redact(secret, mode));
      done = end;
    }
    return safe + text.slice(done);
  }

  private encoded(text: string, depth: number): string {
    const decoded = decodedText(text);
    if (decoded !== text) {
      const safe = this.looked(decoded, depth + 1);
      // What was found makes the text another one anyway, so it is stored decoded.
      if (safe !== decoded) return safe;
    }
    if (!BASE64_HINT.test(text)) return text;
    const hide = (run: string) => (this.isSecretBase64(run, depth) ? REDACTED : run);
    return text.replace(BASE64, (run) => {
      const safe = hide(run);
      // In a path, a part between slashes.
      return safe === run && run.includes('/') ? run.replace(/[^/]{8,}/g, hide) : safe;
    });
  }

  private isSecretBase64(run: string, depth: number): boolean {
    // A number.
    if (/^\d+$/.test(run)) return false;
    const decoded = Buffer.from(run, 'base64').toString();
    if (decoded.length < SHORTEST || !PRINTABLE_TEXT.test(decoded)) return false;
    if (USER_PASSWORD.test(decoded) && !NO_PASSWORD.test(decoded)) return true;
    return this.looked(decoded, depth + 1) !== decoded;
  }
}

interface Scan extends Recogniser {
  readonly mode: RedactionMode;
}

function scansOf(options: RedactionOptions['patterns']): Scan[] {
  if (options === false) return [];
  const scans = PATTERN_NAMES.flatMap((name): Scan[] => {
    const mode = options?.[name] ?? (ASKED_FOR.has(name) ? false : 'remove');
    return mode === false ? [] : [{ ...RECOGNISERS[name], mode }];
  });
  return scans.length === 0 ? [] : [...scans, ...BY_NAME.map((each): Scan => ({ ...each, mode: 'remove' }))];
}

/** What a dotted key must be, `details.*.email`. @param end of the expression */
export function wildcard(field: string, end = '$'): RegExp {
  const parts = field
    .split('.')
    .map((part) => (part === '*' ? '[^.]+' : part.replaceAll(/[\\^$.|?*+()[\]{}]/g, '\\$&')));
  return new RegExp(`^${parts.join('\\.')}${end}`);
}
