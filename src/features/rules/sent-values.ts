import type { AuditFacts, AuditValue } from '../../event/audit-log-event.js';

/**
 * What is judged before a handler of what a client sent: the values of some keys, and nothing else is looked at, however much it
 * is. Of these nothing is cut: else a word could be hidden at the end of a long text, or a field behind a thousand
 * others. It is not stored, so also the values of secret keys are judged as they are.
 */
export class SentValues {
  private readonly paths: readonly SentPath[];

  /** @param keys as they would be stored: `body.payee.country`, `query.mode` */
  constructor(readonly keys: readonly string[]) {
    this.paths = keys.map((key) => new SentPath(key));
  }

  /** @param sources what was sent by the first part of the keys; of several the first that has a value counts */
  read(sources: Readonly<Record<string, readonly unknown[]>>): AuditFacts {
    const found: [key: string, value: AuditValue][] = [];
    for (const path of this.paths) {
      for (const source of sources[path.holder] ?? []) {
        const value = path.read(source);
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

interface Found {
  readonly fact: string | number | boolean;
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
  read(source: unknown): AuditValue | undefined {
    const plain: Found[] = [];
    // `{ "a.b": 1, "a": { "b": 2 } }` has two values for one key: the nested one is what a handler reads.
    const dotted: Found[] = [];
    // A body of parsed text has nothing twice, but a middleware may have made it go round.
    const seen = Array.from({ length: this.names.length + 1 }, () => new Set<object>());
    const waiting: Step[] = [{ value: source, at: 0, isDotted: false, isItem: false }];
    // Not by recursion: the depth is the client's choice.
    for (let step = waiting.pop(); step; step = waiting.pop()) {
      const { value, at, isDotted, isItem } = step;
      if (typeof value !== 'object' || value === null) {
        const fact = at === this.names.length ? factOf(value) : undefined;
        if (fact !== undefined) (isDotted ? dotted : plain).push({ fact, isItem });
        continue;
      }
      if (ArrayBuffer.isView(value) || seen[at]!.has(value)) continue;
      seen[at]!.add(value);
      if (Array.isArray(value) && !hasItself(value, this.names[at] ?? '')) {
        // The name is none of a place: any of them, in their order.
        for (let index = value.length - 1; index >= 0; index -= 1)
          waiting.push({ value: value[index], at, isDotted, isItem: true });
      }
      this.joined[at]?.forEach((name, more) => {
        if (!hasItself(value, name)) return;
        const item = (value as Readonly<Record<string, unknown>>)[name];
        waiting.push({ value: item, at: at + more + 1, isDotted: isDotted || more > 0, isItem });
      });
    }
    return valueOf(plain) ?? valueOf(dotted);
  }
}

/** A value in the form in which events have it; `undefined` for what they can't have. */
function factOf(value: unknown): Found['fact'] | undefined {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  return typeof value === 'string' || typeof value === 'boolean' ? value : undefined;
}

function valueOf(found: readonly Found[]): AuditValue | undefined {
  const all = found.map(({ fact }) => fact);
  if (all.length <= 1 && !found.some(({ isItem }) => isItem)) return all[0];
  return all.every((fact) => typeof fact === 'number') ? all : all.map(String);
}

function hasItself(holder: object, name: string): boolean {
  return Object.prototype.propertyIsEnumerable.call(holder, name);
}
