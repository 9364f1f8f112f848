import { types } from 'node:util';
import { errorNameOf } from './audit-error.js';
import { cutText, REDACTED } from './safe-text.js';
import type { AuditFacts, AuditValue } from './audit-log-event.js';
import { isNaming, isValueOfPair, nameIn } from './name-value-pair.js';
import { withinReach } from './within-reach.js';

/** Bounds of one `details` or `metadata`, so that a hostile or careless value can't blow up an event. */
export const FACT_LIMITS = {
  /** UTF-16 code units of one string, at which it is cut with a marker. */
  string: 2_048,
  /** UTF-16 code units of one dotted key. */
  key: 256,
  /** Keys of one record; the rest is counted in `…` */
  keys: 256,
  /** Items of one list. */
  items: 256,
  /** Levels of nesting. */
  depth: 16,
  /** UTF-8 bytes of the record's JSON: it fits a MySQL TEXT column (65,535 bytes). */
  bytes: 60_000,
} as const;

/** Stands where a value can't be read. */
export const UNREADABLE = '[unreadable]';

/** The key under which a record says how many of its values did not fit. */
export const CUT_KEY = '…';

/**
 * A flat record from anything: nested values get dotted keys, dates become ISO 8601, bigints and decimals
 * strings. `null`, `undefined` and functions are left out. A value under a key for which `isSecret` is true
 * becomes `[redacted]`, with everything below it. Never throws: a getter that does costs its own value
 * only.
 *
 * @param rules what else is stored otherwise than it came
 */
export function flattenFacts(
  source: Readonly<Record<string, unknown>>,
  isSecret: SecretTest,
  rules: Partial<FactRules> = {},
): AuditFacts {
  const flattening = new Flattening({ ...AS_IT_IS, isSecret, ...rules });
  flattening.addObject('', source, [source]);
  return flattening.facts;
}

/** Whether the value of a key is secret; of a few keys only where the value looks like a secret. */
export type SecretTest = (key: string, value?: unknown) => boolean;

/** What of a record is stored otherwise than it came. */
export interface FactRules {
  /** Whether all that is under the key is `[redacted]`. */
  readonly isSecret: SecretTest;
  /** A text, or a key, as it is stored. */
  readonly text: (text: string) => string;
  /** UTF-16 code units of a text that are kept. */
  readonly limit: number;
  /** What stands instead of a value with this dotted key; `undefined` where the value itself does. */
  readonly at?: ((key: string) => ((value: string) => string) | undefined) | undefined;
}

type TextRules = Pick<FactRules, 'text' | 'limit'>;

const AS_IT_IS: TextRules = { text: (text) => text, limit: FACT_LIMITS.string };

class Flattening {
  private readonly entries = new Map<string, AuditValue>();
  private bytes = 2;
  private cut = 0;

  constructor(private readonly rules: FactRules) {}

  get facts(): AuditFacts {
    if (this.cut > 0) this.entries.set(CUT_KEY, `${this.cut} more cut`);
    // fromEntries defines own properties, so that a hostile `__proto__` key stays a key.
    return Object.fromEntries(this.entries);
  }

  addObject(prefix: string, source: object, ancestors: readonly object[]): void {
    const { rules } = this;
    const entries = readEntries(source);
    // Below the names that the application gives, a name with a dot may imitate a nested one, which handlers read.
    if (prefix !== '')
      entries.sort(([left], [right]) => Number(left.includes('.')) - Number(right.includes('.')));
    const hidesValues = isSecretPair(entries, rules.isSecret);
    for (const [name, value] of entries) {
      if (this.isFull) return;
      if (value === undefined || value === null || typeof value === 'function' || typeof value === 'symbol')
        continue;
      // What is shorter is no secret.
      const key = name.length > 12 ? textOf(name, { text: rules.text, limit: FACT_LIMITS.key }) : name;
      const path = prefix === '' ? key : cutText(`${prefix}.${key}`, FACT_LIMITS.key);
      try {
        const at = rules.at?.(path);
        if (at) this.add(path, replaced(value, at));
        else if (rules.isSecret(name, value) || (hidesValues && isValueOfPair(name)))
          this.add(path, REDACTED);
        else this.addValue(path, value, ancestors);
      } catch {
        this.add(path, UNREADABLE);
      }
    }
  }

  private addValue(path: string, value: unknown, ancestors: readonly object[]): void {
    const scalar = toScalar(value, this.rules);
    if (scalar !== undefined) return this.add(path, scalar);
    if (value === null || typeof value !== 'object') return;
    if (ancestors.includes(value)) return this.add(path, '[circular]');
    if (ancestors.length >= FACT_LIMITS.depth) return this.add(path, '[too deep]');
    const below = [...ancestors, value];
    if (Array.isArray(value) || types.isSet(value)) return this.addList(path, [...value], below);
    const json = jsonOf(value);
    if (json === value) this.addObject(path, value, below);
    else this.addValue(path, json, below);
  }

  private addList(path: string, items: readonly unknown[], ancestors: readonly object[]): void {
    if (this.isFull) return;
    const present = items.filter((item) => item !== null && item !== undefined && typeof item !== 'function');
    const kept = withoutNamed(present.slice(0, FACT_LIMITS.items), this.rules.isSecret, ancestors);
    const scalars = kept.map((item) => toScalar(item, this.rules));
    const left = present.length - kept.length;
    if (scalars.includes(undefined)) {
      kept.forEach((item, index) => this.addValue(`${path}.${index}`, item, ancestors));
      if (left > 0) this.add(`${path}.${CUT_KEY}`, `${left} more cut`);
    } else if (left === 0 && scalars.every((item) => typeof item === 'number')) {
      this.add(path, scalars as number[]);
    } else {
      const texts = scalars.map(String);
      if (left > 0) texts.push(`…[cut from ${present.length} items]`);
      this.add(path, texts);
    }
  }

  private add(key: string, value: AuditValue): void {
    const safeKey = cutText(key, FACT_LIMITS.key);
    const size = Buffer.byteLength(JSON.stringify(value)) + Buffer.byteLength(JSON.stringify(safeKey)) + 2;
    const isFull = this.entries.size >= FACT_LIMITS.keys || this.bytes + size > FACT_LIMITS.bytes - 32;
    // The first counts: what the application says comes before what a client sent.
    if (isFull || this.entries.has(safeKey)) {
      this.cut += 1;
      return;
    }
    this.bytes += size;
    this.entries.set(safeKey, value);
  }

  private get isFull(): boolean {
    return this.cut > FACT_LIMITS.keys;
  }
}

/** `{ name: 'password', value: 'hunter2' }` */
function isSecretPair(entries: readonly [key: string, value: unknown][], isSecret: SecretTest): boolean {
  return entries.some(([key, value]) => {
    const name = typeof value === 'string' && isNaming(key) ? nameIn(value, key) : undefined;
    return name !== undefined && isSecret(name);
  });
}

/** What has parts is replaced as a whole. */
function replaced(value: unknown, by: (value: string) => string): AuditValue {
  const scalar = toScalar(value, AS_IT_IS);
  return scalar === undefined ? REDACTED : by(String(scalar));
}

/** The entries of an object or a map; what throws when it is read is answered as `[unreadable]`. */
export function readEntries(source: object): [key: string, value: unknown][] {
  const entries: [string, unknown][] = [];
  try {
    if (types.isMap(source)) {
      for (const [key, value] of source)
        entries.push([typeof key === 'object' ? `[key ${entries.length}]` : String(key), value]);
      return entries;
    }
    for (const key of Object.keys(source)) {
      try {
        entries.push([key, (source as Record<string, unknown>)[key]]);
      } catch {
        entries.push([key, UNREADABLE]);
      }
    }
  } catch {
    entries.push([UNREADABLE, true]);
  }
  return entries;
}

/** What an object says itself that it is in JSON, which may be less than what it holds, or nothing; else the object. */
export function jsonOf(value: object): unknown {
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === 'function' ? toJSON.call(value) : value;
}

/** `--password` of a command line, `Authorization` of a request's raw headers. */
const NAMES_THE_NEXT =
  /^(?:--?[a-z][\w.-]{0,63}|(?:proxy-)?authorization|(?:set-)?cookie2?|x-[a-z-]{1,60})$/i;

/** A list without what an item of it names: `['--password', 'hunter2']`, and in a list of pairs `['password', 'hunter2']`. */
function withoutNamed(
  items: readonly unknown[],
  isSecret: SecretTest,
  ancestors: readonly object[],
): readonly unknown[] {
  const holder = ancestors.at(-2);
  const isPair = items.length === 2 && (Array.isArray(holder) || types.isSet(holder));
  return items.map((item, index) => {
    const name = items[index - 1];
    if (typeof name !== 'string' || nameIn(name) === undefined) return item;
    if (!(isPair || NAMES_THE_NEXT.test(name)) || !isSecret(name)) return item;
    return typeof item === 'string' && item.startsWith('-') && !isPair ? item : REDACTED;
  });
}

/** The stored form of a value that needs no key of its own; `undefined` for what has parts. */
function toScalar(value: unknown, rules: TextRules): string | number | boolean | undefined {
  switch (typeof value) {
    case 'string':
      return textOf(value, rules);
    case 'boolean':
      return value;
    case 'number': {
      if (!Number.isFinite(value)) return String(value);
      if (Math.abs(value) < LEAST_CARD) return Object.is(value, -0) ? 0 : value;
      // A text where its digits are a secret.
      const text = textOf(String(value), rules);
      return text === String(value) ? value : text;
    }
    case 'bigint':
      return textOf(value.toString(), rules);
    case 'object':
      return value === null ? undefined : objectToScalar(value, rules);
    default:
      return undefined;
  }
}

/** Shorter numbers are no card's. */
const LEAST_CARD = 10 ** 12;

function textOf(text: string, { text: redacted, limit }: TextRules): string {
  const safe = redacted(withinReach(text, limit));
  return cutText(safe, limit, Math.max(text.length, safe.length));
}

function objectToScalar(value: object, rules: TextRules): string | number | boolean | undefined {
  if (types.isDate(value)) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[binary, ${value.byteLength} bytes]`;
  if (types.isNativeError(value)) return errorNameOf(value);
  if (value instanceof URL || types.isRegExp(value)) return textOf(String(value), rules);
  // Decimals (decimal.js, big.js), object ids, moments and the like say themselves how they are written.
  try {
    const json = jsonOf(value);
    return typeof json === 'object' ? undefined : toScalar(json, rules);
  } catch {
    return UNREADABLE;
  }
}
