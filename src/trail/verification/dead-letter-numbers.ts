import { isEventId } from '../../event/event-id.js';
import type { DeadLetterRepository, ScannedLetter } from '../../store/dead-letter.repository.js';
import { SequenceSet } from '../../event/sequence-set.js';
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
  private readonly numbers = new Map<string, SequenceSet>();

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

  /** Of how many numbers of each range there is neither an event nor one of these letters. */
  async countMissing(sealing: SealingRepository, ranges: readonly NumberRange[]): Promise<number[]> {
    const none = new SequenceSet();
    const between = ranges.flatMap(({ source, from, to }, index) =>
      (this.numbers.get(source) ?? none)
        .missing(from, to)
        .map(([first, last]) => ({ source, from: first, to: last, index })),
    );
    const missing = await sealing.countMissing(between);
    const counts = ranges.map(() => 0);
    for (const [place, { index }] of between.entries()) counts[index]! += missing[place]!;
    return counts;
  }

  private add({ source, sequence }: ScannedLetter): void {
    this.waiting += 1;
    if (source === null || sequence === null || this.remembered >= MAX_NUMBERS) return;
    this.remembered += 1;
    const numbers = this.numbers.get(source) ?? new SequenceSet();
    this.numbers.set(source, numbers);
    numbers.add(sequence);
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
