import { isEventId } from '../../event/event-id.js';
import type { DeadLetterRepository, ScannedLetter } from '../../store/dead-letter.repository.js';
import type { NumberRange } from '../../event/sequence-set.js';
import type { SealingRepository } from '../../store/sealing.repository.js';
import type { Trust } from '../believed-checkpoints.js';
import type { ProblemList } from './problem-list.js';

/** Numbers that are remembered, so that an attacker can't fill the memory: what is beyond explains nothing. */
const MAX_NUMBERS = 100_000;

/** Which numbers only dead letters tell of. */
export class DeadLetterNumbers {
  /** Letters that are believed and not replayed. */
  waiting = 0;
  private remembered = 0;
  private readonly numbers = new Map<string, number[]>();

  /**
   * Reads all letters.
   *
   * @param size leaves of the log
   * @param problems told of each letter that is not believed, if given
   */
  static async read(
    letters: DeadLetterRepository,
    trust: Trust,
    size: number,
    problems?: ProblemList,
  ): Promise<DeadLetterNumbers> {
    const found = new DeadLetterNumbers();
    for await (const letter of letters.scan(trust, size)) {
      const isBelieved = letter.untrusted === undefined && !letter.isReplaced;
      if (!isBelieved) {
        if (problems) tell(problems, letter, trust);
      } else if (!letter.isReplayed) found.add(letter);
    }
    return found;
  }

  /** Of how many numbers of each range there is an event or one of these letters. */
  async countKnown(sealing: SealingRepository, ranges: readonly NumberRange[]): Promise<number[]> {
    const counts = ranges.map(() => 0);
    /** What is between the letters, each with the index of its range. */
    const between: (NumberRange & { readonly index: number })[] = [];
    for (const [index, { source, from, to }] of ranges.entries()) {
      const numbers = this.within(source, from, to);
      counts[index] = numbers.length;
      let start = from;
      for (const number of [...numbers, to + 1]) {
        if (number > start) between.push({ source, from: start, to: number - 1, index });
        start = number + 1;
      }
    }
    const stored = await sealing.countStored(between);
    for (const [place, { index }] of between.entries()) counts[index]! += stored[place] ?? 0;
    return counts;
  }

  /** Those from `from` to `to`, both included, each once, in order. */
  private within(source: string, from: number, to: number): number[] {
    const within = this.numbers.get(source)?.filter((number) => from <= number && number <= to);
    return [...new Set(within)].sort((a, b) => a - b);
  }

  private add({ source, sequence }: ScannedLetter): void {
    this.waiting += 1;
    if (source === null || sequence === null || this.remembered >= MAX_NUMBERS) return;
    this.remembered += 1;
    const numbers = this.numbers.get(source);
    if (numbers) numbers.push(sequence);
    else this.numbers.set(source, [sequence]);
  }
}

/** Of a letter that is not believed. */
function tell(
  problems: ProblemList,
  { id, untrusted, ...number }: ScannedLetter,
  { verifiers }: Trust,
): void {
  const name = isEventId(id) ? id : 'without a valid id';
  const place = { eventId: id, ...number };
  if (untrusted !== undefined) {
    const message = `The dead letter ${name} is not believed: ${untrusted}. It explains no missing number, and is not replayed.`;
    return problems.add('dead_letter_untrusted', message, place);
  }
  const isSigned = verifiers.length > 0;
  const why = isSigned ? 'somebody has stored another one in its place' : 'one of the two is forged';
  problems.add(
    isSigned ? 'event_inserted' : 'dead_letter_untrusted',
    `Event ${name} is not the one that its dead letter has: ${why}.`,
    place,
  );
}
