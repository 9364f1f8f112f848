import { RE2JS, RE2Set } from 're2js';
import { RecentMap } from '../../event/recent-map.js';
import { normalize } from './comparable-text.js';

/** Bounds of patterns. Linear time is time in proportion to the text, and to the size of the pattern. */
export const PATTERN_LIMITS = {
  /** UTF-16 code units. */
  length: 500,
  /** Instructions of the compiled pattern: repetitions are written out in it. */
  instructions: 2_000,
  /** The same where it is looked for in what a client sent, while the request waits. */
  instructionsSent: 200,
} as const;

/** Patterns that run through a text together. */
const PATTERNS_A_GROUP = 100;
/** What RE2 remembers of the texts that a group saw. Beyond it, it forgets and starts again. */
const BYTES_A_GROUP = 2 * 1024 * 1024;
/** Texts of a field of which is remembered what was found in them, and how long they may be. */
const REMEMBERED = { texts: 256, length: 512 } as const;

/**
 * Whether a pattern may have a repetition. Several of these together make an automaton with a state for
 * each way in which they can be in progress at once. Whoever sends texts chooses how many of these it sees.
 */
const MAY_REPEAT = /[*+{]/;

/** Instructions of the compiled pattern. @throws an error that says why RE2 does not take it */
export function sizeOfPattern(pattern: string): number {
  return RE2JS.compile(normalize(pattern)).programSize();
}

const [UNKNOWN, ABSENT, FOUND] = [0, 1, 2];

/** A text, and what is known of it: for each pattern whether it is in there. */
export interface SearchedText {
  readonly text: string;
  readonly known: Uint8Array;
}

interface Group {
  readonly set: RE2Set;
  readonly indexes: readonly number[];
}

/**
 * The patterns that rules look for in one field, each in time proportional to the text (RE2): the texts come from clients.
 * Patterns without repetitions are looked for together, in one pass; others when they are asked for. What was found in the last
 * texts is remembered, since most fields have the same few again and again.
 */
export class PatternSet {
  private readonly indexes = new Map<string, number>();
  private readonly remembered = new RecentMap<string, SearchedText>(REMEMBERED.texts);
  /** How to look for each pattern: alone, or with its group. */
  private plans: readonly (RE2JS | Group)[] = [];

  /**
   * @param steady whether a pattern that repeats runs without an automaton: slower on most texts, but not by orders of
   *   magnitude on those that were made to have it built again all the time
   */
  constructor(
    private readonly ignoreCase: boolean,
    private readonly steady = false,
  ) {}

  /** @returns the place of the pattern in the set; the same for the same pattern */
  add(pattern: string): number {
    const index = this.indexes.get(pattern) ?? this.indexes.size;
    this.indexes.set(pattern, index);
    return index;
  }

  /** Once all are there. */
  compile(): void {
    const flags = this.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0;
    const plans: (RE2JS | Group)[] = [];
    const together: (readonly [pattern: string, index: number])[] = [];
    for (const [pattern, index] of this.indexes) {
      if (MAY_REPEAT.test(pattern)) plans[index] = RE2JS.compile(normalize(pattern), flags);
      else together.push([pattern, index]);
    }
    for (let start = 0; start < together.length; start += PATTERNS_A_GROUP) {
      const members = together.slice(start, start + PATTERNS_A_GROUP);
      const set = new RE2Set(RE2Set.UNANCHORED, flags, BYTES_A_GROUP);
      for (const [pattern] of members) set.add(normalize(pattern));
      set.compile();
      const group = { set, indexes: members.map(([, index]) => index) };
      for (const index of group.indexes) plans[index] = group;
    }
    this.plans = plans;
  }

  /** The texts of a value: itself, or those of a list. */
  textsOf(value: unknown): readonly SearchedText[] {
    const texts = [value].flat().filter((one) => typeof one === 'string');
    return texts.map((text) => this.textOf(text));
  }

  /** Whether the pattern at the place is found in the text. */
  finds(index: number, { text, known }: SearchedText): boolean {
    if (known[index] === UNKNOWN) this.search(index, text, known);
    return known[index] === FOUND;
  }

  private search(index: number, text: string, known: Uint8Array): void {
    const plan = this.plans[index]!;
    if (plan instanceof RE2JS) {
      const found = this.steady ? plan.matcher(text).find() : plan.test(text);
      known[index] = found ? FOUND : ABSENT;
      return;
    }
    for (const member of plan.indexes) known[member] = ABSENT;
    for (const place of plan.set.match(text)) known[plan.indexes[place]!] = FOUND;
  }

  private textOf(text: string): SearchedText {
    const remembered = this.remembered.get(text);
    if (remembered) return remembered;
    const searched = { text, known: new Uint8Array(this.plans.length) };
    if (text.length <= REMEMBERED.length) this.remembered.set(text, searched);
    return searched;
  }
}
