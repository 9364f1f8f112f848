import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { fold, normalize } from './comparable-text.js';
import { readerOf } from './event-field.js';
import { PatternSet } from './pattern-set.js';
import { isSentField } from './sent-value.js';

/**
 * What the conditions of a rule book see of one event at a time: whatever number of rules ask for a field, it is read,
 * normalised and searched for patterns at most once.
 */
export class EventValues {
  private readonly readers = new Map<string, () => unknown>();
  private readonly patterns = new Map<string, PatternSet>();
  private event: AuditLogEvent | undefined;
  /** Counts the events, so that what was read of another is known as such. */
  private round = 0;

  /** @param before whether they are of requests before their handler, whose texts nobody cut */
  constructor(readonly before: boolean) {}

  /** Whether the field is what a client sent, which is compared in all its spellings. */
  isSent(field: string): boolean {
    return this.before && isSentField(field);
  }

  /** From now on the readers answer with this event's values. */
  see(event: AuditLogEvent): void {
    this.event = event;
    this.round += 1;
  }

  /**
   * A reader of one field: the value in the form in which texts are compared, `undefined` where there is none.
   *
   * @param field a path that `readerOf` knows
   */
  reader(field: string, ignoreCase: boolean): () => unknown {
    const read = readerOf(field)!;
    const form = ignoreCase ? fold : normalize;
    return this.once(`value ${ignoreCase} ${field}`, () => inForm(read(this.event!), form));
  }

  /** Whether the pattern is found in the field. A pattern says itself what it takes as the same. */
  matcher(field: string, pattern: string, ignoreCase: boolean): () => boolean {
    const key = `texts ${ignoreCase} ${field}`;
    const set = this.patterns.get(key) ?? new PatternSet(ignoreCase, this.before);
    this.patterns.set(key, set);
    const index = set.add(pattern);
    const read = this.reader(field, false);
    const isSent = this.isSent(field);
    const texts = this.once(key, () => set.textsOf(isSent ? [read() ?? []].flat().map(String) : read()));
    return () => {
      for (const text of texts()) if (set.finds(index, text)) return true;
      return false;
    };
  }

  /** Once every condition has asked for its reader or matcher. */
  compile(): void {
    for (const set of this.patterns.values()) set.compile();
  }

  /** Computes it once for each event, whoever asks for what has this name. */
  private once<T>(name: string, compute: () => T): () => T {
    const known = this.readers.get(name) as (() => T) | undefined;
    if (known) return known;
    let round = 0;
    let value: T;
    const read = () => {
      if (round !== this.round) {
        value = compute();
        round = this.round;
      }
      return value;
    };
    this.readers.set(name, read);
    return read;
  }
}

function inForm(value: unknown, form: (text: string) => string): unknown {
  if (typeof value === 'string') return form(value);
  if (Array.isArray(value)) return value.map((item) => (typeof item === 'string' ? form(item) : item));
  return typeof value === 'object' ? undefined : value;
}
