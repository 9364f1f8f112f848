import { toInteger } from '../../store/column-value.js';
import type { NumberedRow } from '../../store/ledger.repository.js';
import type { LogStore, OwnNumbers } from './log-verifier.js';
import type { ProblemList } from './problem-list.js';
import { numbers } from './source-order.js';
import type { SourceOrder } from './source-order.js';

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
  { sealing, sources }: LogStore,
  problems: ProblemList,
  order: SourceOrder,
  size: number,
  ownNumbers: OwnNumbers,
  report: (done: number) => void,
): Promise<number> {
  let pending = 0;
  let after = '';
  for (let done = CHUNK; ; done += CHUNK) {
    const { events, last } = await sealing.unsealedEvents(after, CHUNK, size);
    // Asked for after the events: what was numbered since is not among them.
    const own = new Map(ownNumbers().map(({ source, sequence }) => [source, sequence]));
    const ends = events.length > 0 ? endsOf(await sources.notes()) : new Map<string, number>();
    for (const event of events) {
      const wrong = whyForeign(event, order, own, ends);
      if (wrong === undefined) {
        pending += 1;
        continue;
      }
      problems.add({
        code: 'event_inserted',
        eventId: String(event.id),
        ...(event.source !== null && { source: String(event.source) }),
        ...(event.sequence !== null && { sequence: Number(event.sequence) }),
        message: `Event ${String(event.id)} is not in the log, and ${wrong}.`,
      });
    }
    if (last === undefined) break;
    after = last;
    report(done);
  }

  for (const { source, from, to, eventId, leafIndex } of order.openGaps) {
    const lost = to - from + 1 - (await sealing.countKnown(source, from, to));
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
  for (const [source, end] of endsOf(await sources.notes())) {
    const sealed = order.sealed(source);
    if (sealed >= end) continue;
    const lost = end - sealed - (await sealing.countKnown(source, sealed + 1, end));
    if (lost <= 0) continue;
    problems.add({
      code: 'sequence_gap',
      source,
      sequence: sealed + 1,
      message: `Of ${numbers(sealed + 1, end).toLowerCase()} of a source that has ended, ${lost} are missing.`,
    });
  }
  return pending;
}

/** The last number of each source that has ended. */
function endsOf(notes: ReadonlyMap<string, { readonly [column: string]: unknown }>): Map<string, number> {
  const ended = [...notes].filter(([, { kind }]) => kind === 'closed' || kind === 'abandoned');
  return new Map(ended.map(([source, { sequence }]) => [source, Number(sequence)]));
}

/** Why the event can't be one that waits to be sealed. */
function whyForeign(
  { id, source, sequence }: NumberedRow,
  order: SourceOrder,
  own: ReadonlyMap<string, number>,
  ends: ReadonlyMap<string, number>,
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
  if (number > (own.get(source) ?? Infinity)) return 'has a number that this process has not given away yet';
  if (number > (ends.get(source) ?? Infinity)) return `its source has ended before number ${number}`;
  if (number > order.sealed(source) || order.isLost(source, number)) return undefined;
  return `the log has number ${number} of its source as another event`;
}
