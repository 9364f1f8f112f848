import { whyNoEvent } from '../../store/event-row.js';
import type { NumberedRow } from '../../store/event-row.js';
import type { SealingRepository } from '../../store/sealing.repository.js';
import type { Trust } from '../believed-checkpoints.js';
import { LetterNumbers } from './letter-numbers.js';
import type { LogStore, OwnNumbers } from './log-verifier.js';
import type { ProblemList } from './problem-list.js';
import { numbers } from './source-order.js';
import type { SourceOrder } from './source-order.js';
import type { AuditProblem } from './verification-result.js';

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
 *
 * @param size leaves that were walked
 */
export async function verifyOutside(
  { sealing, sources, letters }: LogStore,
  problems: ProblemList,
  order: SourceOrder,
  trust: Trust,
  size: number,
  ownNumbers: OwnNumbers,
  report: (done: number) => void,
): Promise<Outside> {
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

  const waiting = await LetterNumbers.read(letters, trust, size, problems);
  let lost = await lostNumbers(sealing, order, endsOf(await sources.notes()), waiting);
  if (lost.length > 0) {
    // A letter may have been written since they were read.
    const now = await LetterNumbers.read(letters, trust, size);
    lost = await lostNumbers(sealing, order, endsOf(await sources.notes()), now);
  }
  for (const problem of lost) problems.add(problem);
  return { pending, deadLetters: waiting.waiting };
}

/** The numbers that are missing in the log, of which there is neither an event nor a letter that is believed. */
async function lostNumbers(
  sealing: SealingRepository,
  order: SourceOrder,
  ends: ReadonlyMap<string, number>,
  letters: LetterNumbers,
): Promise<AuditProblem[]> {
  const lost: AuditProblem[] = [];
  const countLost = async (source: string, from: number, to: number) => {
    let count = 0;
    let start = from;
    // Between the letters.
    for (const number of [...letters.within(source, from, to), to + 1]) {
      if (number > start) {
        count += number - start - (await sealing.countStored(source, start, number - 1));
      }
      start = number + 1;
    }
    return count;
  };
  for (const { source, from, to, eventId, leafIndex } of order.openGaps) {
    const count = await countLost(source, from, to);
    if (count <= 0) continue;
    lost.push({
      code: 'sequence_gap',
      source,
      sequence: from,
      eventId,
      leafIndex,
      message: `${numbers(from, to)} of a source never came: ${count} events were lost, or removed before they were sealed. Event ${eventId} recorded it.`,
    });
  }
  for (const [source, end] of ends) {
    const sealed = order.sealed(source);
    if (sealed >= end) continue;
    const count = await countLost(source, sealed + 1, end);
    if (count <= 0) continue;
    lost.push({
      code: 'sequence_gap',
      source,
      sequence: sealed + 1,
      message: `Of ${numbers(sealed + 1, end).toLowerCase()} of a source that has ended, ${count} are missing.`,
    });
  }
  return lost;
}

/** The last number of each source that has ended. */
function endsOf(notes: ReadonlyMap<string, { readonly [column: string]: unknown }>): Map<string, number> {
  const ended = [...notes].filter(([, { kind }]) => kind === 'closed' || kind === 'abandoned');
  return new Map(ended.map(([source, { sequence }]) => [source, Number(sequence)]));
}

/** Why the event can't be one that waits to be sealed. */
function whyForeign(
  event: NumberedRow,
  order: SourceOrder,
  own: ReadonlyMap<string, number>,
  ends: ReadonlyMap<string, number>,
): string | undefined {
  const { source, sequence } = event;
  const wrong = whyNoEvent(event);
  if (wrong !== undefined) return wrong;
  if (source === null || sequence === null) return undefined;
  const number = Number(sequence);
  if (number > (own.get(source) ?? Infinity)) return 'has a number that this process has not given away yet';
  if (number > (ends.get(source) ?? Infinity)) return `its source has ended before number ${number}`;
  if (number > order.sealed(source) || order.isLost(source, number)) return undefined;
  return `the log has number ${number} of its source as another event`;
}
