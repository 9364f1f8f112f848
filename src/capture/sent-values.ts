import type { AuditFacts, AuditValue } from '../event/audit-log-event.js';
import { REDACTED } from '../event/safe-text.js';

/**
 * What is judged before a handler of what a client sent: the values of some keys, and nothing else is looked at, however much it
 * is. Of these nothing is cut: else a word could be hidden at the end of a long text, or a field behind a thousand
 * others. It is not stored.
 */
export class SentValues {
  private readonly paths: readonly SentPath[];

  /** @param keys as they would be stored: `body.payee.country`, `query.mode` */
  constructor(readonly keys: readonly string[]) {
    this.paths = keys.map((key) => new SentPath(key));
  }

  /**
   * @param sources what was sent by the first part of the keys; of several the first that has a value counts
   * @param isSecret by which name a value is `[redacted]`
   */
  read(
    sources: Readonly<Record<string, readonly unknown[]>>,
    isSecret: (key: string) => boolean,
  ): AuditFacts {
    const found: [key: string, value: AuditValue][] = [];
    for (const path of this.paths) {
      for (const source of sources[path.holder] ?? []) {
        const value = path.read(source, isSecret);
        if (value === undefined) continue;
        found.push([path.key, value]);
        break;
      }
    }
    return Object.fromEntries(found);
  }
}

interface Step {
  readonly value: unknown;
  /** How many of the path's names lead to it. */
  readonly at: number;
  /** By a name that has dots itself. */
  readonly isDotted: boolean;
  /** It is one of several. */
  readonly isItem: boolean;
}

/** One key, on its way through an object. */
class SentPath {
  readonly holder: string;
  private readonly names: readonly string[];
  /** What the names from each place on are together: the first of them, the first two, and so on. */
  private readonly joined: readonly (readonly string[])[];

  constructor(readonly key: string) {
    const [holder = '', ...names] = key.split('.');
    this.holder = holder;
    this.names = names;
    this.joined = names.map((_, from) =>
      names.slice(from).map((_name, more) => names.slice(from, from + more + 1).join('.')),
    );
  }

  /** One value, or a list where there is one on the way: `items.country` is the country of each item. */
  read(source: unknown, isSecret: (key: string) => boolean): AuditValue | undefined {
    const plain = new Values();
    // `{ "a.b": 1, "a": { "b": 2 } }` has two values for one key: the nested one is what a handler reads.
    const dotted = new Values();
    // A body of parsed text holds nothing twice, but a middleware may have made it go round.
    const seen = Array.from({ length: this.names.length + 1 }, () => new Set<object>());
    const waiting: Step[] = [{ value: source, at: 0, isDotted: false, isItem: false }];
    // Not by recursion: the depth is the client's choice.
    for (let step = waiting.pop(); step; step = waiting.pop()) {
      const { value, at, isDotted, isItem } = step;
      if (typeof value !== 'object' || value === null) {
        if (at === this.names.length) (isDotted ? dotted : plain).add(value, isItem);
        continue;
      }
      if (ArrayBuffer.isView(value) || seen[at]!.has(value)) continue;
      seen[at]!.add(value);
      if (Array.isArray(value) && !isOwn(value, this.names[at] ?? '')) {
        // The name is none of a place: any of them, in their order.
        for (let index = value.length - 1; index >= 0; index -= 1)
          waiting.push({ value: value[index], at, isDotted, isItem: true });
      }
      this.joined[at]?.forEach((name, more) => {
        if (!isOwn(value, name)) return;
        const isNamed = !Array.isArray(value);
        const next = at + more + 1;
        if (isNamed && isSecret(name)) {
          if (next === this.names.length) (isDotted || more > 0 ? dotted : plain).add(REDACTED, isItem);
          return;
        }
        const item = (value as Readonly<Record<string, unknown>>)[name];
        waiting.push({ value: item, at: next, isDotted: isDotted || more > 0, isItem });
      });
    }
    return plain.asFact() ?? dotted.asFact();
  }
}

/** The values of a key, in the form in which events have them. */
class Values {
  private readonly all: (string | number | boolean)[] = [];
  private isList = false;

  add(value: unknown, isItem: boolean): void {
    if (typeof value === 'bigint') this.all.push(value.toString());
    else if (typeof value === 'number') this.all.push(Number.isFinite(value) ? value : String(value));
    else if (typeof value === 'string' || typeof value === 'boolean') this.all.push(value);
    else return;
    this.isList ||= isItem;
  }

  asFact(): AuditValue | undefined {
    const { all } = this;
    if (all.length <= 1 && !this.isList) return all[0];
    return all.every((value) => typeof value === 'number') ? all : all.map(String);
  }
}

function isOwn(holder: object, name: string): boolean {
  return Object.prototype.propertyIsEnumerable.call(holder, name);
}
