import { toInteger } from '../../store/column-value.js';
import type { NumberedRow } from '../../store/ledger.repository.js';
import { insertedEvent } from './inserted-event.js';
import type { LogStore, VerifierKnowledge } from './log-verifier.js';
import type { ProblemList } from './problem-list.js';
import { numbers } from './source-order.js';
import type { SourceOrder } from './source-order.js';
import { UnsealedNumbers } from './unsealed-numbers.js';
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
 * @param size leaves that were walked
 * @returns how many events are on their way
 */
export async function verifyOutside(
  store: LogStore,
  problems: ProblemList,
  order: SourceOrder,
  size: number,
  known: VerifierKnowledge,
  report: (done: number) => void,
): Promise<number> {
  const { sealing } = store;
  const unsealed = new UnsealedNumbers();
  let pending = 0;
  let after = '';
  for (let done = CHUNK; ; done += CHUNK) {
    const { events, last } = await sealing.unsealedEvents(after, CHUNK, size);
    // Asked for after the events: what was numbered since is not among them.
    const own = new Map(known.ownNumbers?.().map(({ source, sequence }) => [source, sequence]));
    for (const event of events) {
      const wrong = whyForeign(event, order, own);
      if (wrong !== undefined) {
        problems.add(insertedEvent(event, wrong));
        continue;
      }
      pending += 1;
      unsealed.note(event, order);
    }
    if (last === undefined) break;
    after = last;
    report(done);
  }

  for (const gap of order.openGaps) {
    const { source, from, to, eventId, leafIndex } = gap;
    const [come] = await sealing.countKnown([gap]);
    const lost = to - from + 1 - come!;
    if (lost <= 0) continue;
    problems.add({
      code: 'sequence_gap',
      source,
      sequence: from,
      eventId,
      leafIndex,
      message: `${numbers(from, to)} of a source never came: ${lost} events were lost, or removed before they were sealed. Event ${eventId} recorded it.`,
    });
  }
  return pending - (await verifySources(store, problems, order, unsealed, known));
}

/** Why the event can't be one that waits to be sealed. */
function whyForeign(
  { id, source, sequence }: NumberedRow,
  order: SourceOrder,
  own: ReadonlyMap<string, number>,
): string | undefined {
  // SQLite takes any type in any column; of such a row no query knows.
  const isTyped = typeof id === 'string' && (source === null || typeof source === 'string');
  if (!isTyped || (sequence !== null && Number.isNaN(toInteger(sequence)))) {
    return 'a column of it holds another type than events have there';
  }
  if (source === null || sequence === null) {
    return source === null && sequence === null ? undefined : 'has half a number';
  }
  const number = Number(sequence);
  if (!Number.isSafeInteger(number) || number < 1) return 'has a number that no process gives away';
  if (number > (own.get(source) ?? Infinity)) return 'has a number that this process has not given away yet';
  if (number > order.sealed(source) || order.isLost(source, number)) return undefined;
  return `the log has number ${number} of its source as another event`;
}
