import { whyNoEvent } from '../../store/event-row.js';
import type { NumberedRow } from '../../store/event-row.js';
import type { NumberRange } from '../../event/sequence-set.js';
import { DeadLetterNumbers } from './dead-letter-numbers.js';
import type { WalkedLog } from './verifier-knowledge.js';
import type { SourceOrder } from './source-order.js';
import { UnsealedNumbers } from './unsealed-numbers.js';
import { verifySources } from './verify-sources.js';

/** What is not in the log and may still get there. */
export interface Outside {
  /** Events that are stored. */
  readonly pending: number;
  /** Dead letters that are believed. */
  readonly deadLetters: number;
}

/** Ids that are looked at in one statement. */
const CHUNK = 5_000;

/**
 * What no leaf tells of: events that are not in the log, and whether they are merely on their way there; and numbers of
 * which there is no event.
 *
 * The log is that of the size that was walked, the rest is as it is now: what came, was sealed or has ended since must not
 * look like a loss. So a number is missing only where neither the log has it nor the tables do, asked last.
 */
export async function verifyOutside(log: WalkedLog, report: (done: number) => void): Promise<Outside> {
  const { store, problems, order, trust, size, known } = log;
  const { sealing, letters } = store;
  const unsealed = new UnsealedNumbers(order);
  let pending = 0;
  let after = '';
  for (let done = CHUNK; ; done += CHUNK) {
    const { events, last } = await sealing.unsealedEvents(after, CHUNK, size);
    // Asked for after the events: what was numbered since is not among them.
    const given = new Map(known.localSources?.().map(({ source, sequence }) => [source, sequence]));
    const ids = new Map((await known.storedNumbers?.())?.map((one) => [one.source, one.ids]));
    for (const event of events) {
      const wrong = whyForeign(event, order, given, ids);
      if (wrong !== undefined) {
        problems.addInserted(event, wrong);
        continue;
      }
      pending += 1;
      unsealed.add(event);
    }
    report(done);
    if (last === undefined) break;
    after = last;
  }

  const waiting = await DeadLetterNumbers.read(letters, trust, size, problems);
  /** Of how many numbers of each range there is neither an event nor a letter that is believed. */
  const countMissing = async (ranges: readonly NumberRange[]) => {
    const counts = await waiting.countMissing(sealing, ranges);
    if (counts.every((count) => count === 0)) return counts;
    // A letter may have been written since they were read.
    return (await DeadLetterNumbers.read(letters, trust, size)).countMissing(sealing, ranges);
  };
  const afterEnd = await verifySources(log, unsealed, countMissing);
  return { pending: pending - afterEnd, deadLetters: waiting.waiting };
}

/** Why the event can't be one that waits to be sealed. */
function whyForeign(
  event: NumberedRow,
  order: SourceOrder,
  given: ReadonlyMap<string, number>,
  ids: ReadonlyMap<string, ReadonlyMap<number, string>>,
): string | undefined {
  const { source, sequence } = event;
  const wrong = whyNoEvent(event);
  if (wrong !== undefined) return wrong;
  if (source === null || sequence === null) return undefined;
  const number = Number(sequence);
  if (!Number.isSafeInteger(number) || number < 1) return 'has a number that no process gives away';
  if (number > (given.get(source) ?? Infinity))
    return 'has a number that this process has not given away yet';
  const id = ids.get(source)?.get(number);
  if (id === event.id) return undefined;
  if (id !== undefined) return `this process has given number ${number} to another event`;
  if (number > order.sealed(source) || order.isLost(source, number)) return undefined;
  return `the log has number ${number} of its source as another event`;
}
