import { isEventId } from '../../event/event-id.js';
import type { ScannedLetter } from '../../store/dead-letter.repository.js';
import { SequenceSet } from '../../event/sequence-set.js';
import type { NumberRange } from '../../event/sequence-set.js';
import type { Verification } from './verification.js';

/** Ranges of numbers that are remembered, so that an attacker can't fill the memory: what is beyond explains nothing. */
const MAX_RANGES = 100_000;

/** Which numbers only dead letters tell of. */
export class DeadLetterNumbers {
  /** Letters that are believed and not replayed. */
  waiting = 0;
  private ranges = 0;
  private readonly numbers = new Map<string, SequenceSet>();

  private constructor(private readonly log: Verification) {}

  /** Reads all letters. @param tells whether each letter that is not believed is a problem */
  static async read(log: Verification, tells: boolean): Promise<DeadLetterNumbers> {
    const found = new DeadLetterNumbers(log);
    for await (const letter of log.letters.scan(log.trust, log.size)) {
      const isBelieved = letter.untrusted === undefined && !letter.isReplaced;
      if (!isBelieved) {
        if (tells) tell(log, letter);
      } else if (!letter.isReplayed) found.add(letter);
    }
    return found;
  }

  /** Of how many numbers of each range there is neither an event nor a letter that is believed. */
  async countMissing(ranges: readonly NumberRange[]): Promise<number[]> {
    const counts = await this.countOthers(ranges);
    if (counts.every((count) => count === 0)) return counts;
    // A letter may have been written since they were read.
    return (await DeadLetterNumbers.read(this.log, false)).countOthers(ranges);
  }

  private async countOthers(ranges: readonly NumberRange[]): Promise<number[]> {
    const none = new SequenceSet();
    const between = ranges.flatMap(({ source, from, to }, index) =>
      (this.numbers.get(source) ?? none)
        .missing(from, to)
        .map(([first, last]) => ({ source, from: first, to: last, index })),
    );
    const missing = await this.log.sealing.countMissing(between);
    const counts = ranges.map(() => 0);
    for (const [place, { index }] of between.entries()) counts[index]! += missing[place]!;
    return counts;
  }

  private add({ source, sequence }: ScannedLetter): void {
    this.waiting += 1;
    if (source === null || sequence === null || this.ranges >= MAX_RANGES) return;
    const numbers = this.numbers.get(source) ?? new SequenceSet();
    this.numbers.set(source, numbers);
    this.ranges -= numbers.ranges.length;
    numbers.add(sequence);
    this.ranges += numbers.ranges.length;
  }
}

/** Of a letter that is not believed. */
function tell({ problems, trust }: Verification, { id, untrusted, ...number }: ScannedLetter): void {
  const name = isEventId(id) ? id : 'without a valid id';
  const place = { eventId: id, ...number };
  if (untrusted !== undefined) {
    const message = `The dead letter ${name} is not believed: ${untrusted}. It explains no missing number, and is not replayed.`;
    return problems.add('dead_letter_untrusted', message, place);
  }
  const hasKeys = trust.verifiers.length > 0;
  const why = hasKeys ? 'somebody has stored another one in its place' : 'one of the two is forged';
  const message = `Event ${name} is not the one that its dead letter has: ${why}.`;
  problems.add(hasKeys ? 'event_inserted' : 'dead_letter_untrusted', message, place);
}
