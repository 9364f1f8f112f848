import { whyNoEvent } from '../../store/event-row.js';
import type { NumberedRow } from '../../store/event-row.js';
import { DeadLetterNumbers } from './dead-letter-numbers.js';
import type { SourceOrder } from './source-order.js';
import { ownersOf } from './verification.js';
import type { Verification } from './verification.js';
import { verifySources } from './verify-sources.js';

/** Ids that are looked at in one statement. */
const CHUNK = 5_000;

/**
 * What no leaf tells of: events that are not in the log, and whether they are merely on their way there; and numbers of
 * which there is no event.
 *
 * The log is that of the size that was walked, the rest is as it is now: what came, was sealed or has ended since must not
 * look like a loss. So a number is missing only where neither the log has it nor the tables do, asked last.
 *
 * @returns what may still get into the log: events that are stored, and dead letters that are believed
 */
export async function verifyOutside(
  log: Verification,
  report: (done: number) => void,
): Promise<{ pending: number; deadLetters: number }> {
  const { sealing, problems, order, size, known } = log;
  let pending = 0;
  let after = '';
  for (let done = CHUNK; ; done += CHUNK) {
    const { events, last } = await sealing.unsealedEvents(after, CHUNK, size);
    // Asked for after the events: what was numbered since is not among them.
    const given = new Map(known.localSources().map(({ source, sequence }) => [source, sequence]));
    const ownerOf = await ownersOf(known);
    for (const event of events) {
      const wrong = whyForeign(event, order, given, ownerOf);
      if (wrong !== undefined) problems.addInserted(event, wrong);
      else {
        pending += 1;
        order.addUnsealed(event);
      }
    }
    report(done);
    if (last === undefined) break;
    after = last;
  }
  const letters = await DeadLetterNumbers.read(log, true);
  const afterEnd = await verifySources(log, letters);
  return { pending: pending - afterEnd, deadLetters: letters.waiting };
}

/** Why the event can't be one that waits to be sealed. */
function whyForeign(
  event: NumberedRow,
  order: SourceOrder,
  given: ReadonlyMap<string, number>,
  ownerOf: (source: string, sequence: number) => string | undefined,
): string | undefined {
  const { source, sequence } = event;
  const wrong = whyNoEvent(event);
  if (wrong !== undefined || source === null || sequence === null) return wrong;
  const number = Number(sequence);
  if (number > (given.get(source) ?? Infinity))
    return 'has a number that this process has not given away yet';
  const id = ownerOf(source, number);
  if (id === event.id) return undefined;
  if (id !== undefined) return `this process has given number ${number} to another event`;
  if (number > order.sealed(source) || order.isLost(source, number)) return undefined;
  return `the log has number ${number} of its source as another event`;
}
