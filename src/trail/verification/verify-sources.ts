import { safeText } from '../../event/safe-text.js';
import type { NumberRange } from '../../event/sequence-set.js';
import { isEnd } from '../../store/source-note.js';
import type { SourceStanding } from '../../store/source-standing.js';
import type { DeadLetterNumbers } from './dead-letter-numbers.js';
import type { ProblemList } from './problem-list.js';
import { numbers } from './source-order.js';
import type { Verification } from './verification.js';

/** So many times the time of a gap a process has to say how far it is, where a number of it is missing. */
const WORD_TIMES = 3;
/** Events after the end of their source that are told of one by one. */
const LISTED = 1_000;

/** Numbers that must be there, and what to say where some are missing. */
interface Expected extends NumberRange {
  /** @param which `numbers 5 to 7` */
  readonly says: (missing: number, which: string) => string;
  /** Only a note that anybody may have written says that they were given away. */
  readonly isClaim?: boolean;
  /** The event that tells that they are missing, and its leaf. */
  readonly eventId?: string;
  readonly leafIndex?: number;
}

/**
 * Whether what is said of the sources is so: by their notes, and by what this process knows of its own.
 *
 * Anybody who may insert a row can write a note. So one without a trusted signature accuses no event where there are keys: where it is
 * not true, the note itself is the problem.
 *
 * @param letters which explain missing numbers
 * @returns how many events are stored after the end of their source
 */
export async function verifySources(log: Verification, letters: DeadLetterNumbers): Promise<number> {
  const { sources, problems, order, trust } = log;
  const { localSources, gapTimeoutMs } = log.known;
  const hasKeys = trust.verifiers.length > 0;
  const expected: Expected[] = order.openGaps.map((gap) => ({
    ...gap,
    says: (lost) =>
      `${numbers(gap.from, gap.to)} of a source never came: ${lost} events were lost, or removed before they were sealed. Event ${gap.eventId} recorded it.`,
  }));
  const ofEnded = (missing: number, which: string) =>
    `Of ${which} of a source that has ended, ${missing} are missing.`;
  /** Up to which number the loss of one is recorded by the sealer. */
  const noted = new Map<string, number>();
  let afterEnd = 0;

  for await (const standing of sources.standings(trust)) {
    const { source, trusted, claimed } = standing;
    // Asked for after the notes: it has given away no less than they say.
    const local = localSources().find((one) => one.source === source);
    const wrong = local
      ? whyNotLocal(standing, local.sequence)
      : whyNotSo(standing, order.highest(source), hasKeys);
    if (wrong !== undefined) addContradicted(problems, source, wrong);
    else if (standing.unreadable > 0) {
      const what = `${standing.unreadable} notes of the source hold what no process writes`;
      addContradicted(problems, source, what);
    }
    // What is after the end of one that has closed is told of here.
    if (trusted) noted.set(source, trusted.newest.kind === 'closed' ? Infinity : trusted.sequence);
    else if (!hasKeys && claimed) noted.set(source, Infinity);
    if (local) continue;
    const sealed = order.sealed(source);
    const end = trusted && isEnd(trusted.newest) ? trusted.sequence : 0;
    if (end > sealed) expected.push({ source, from: sealed + 1, to: end, says: ofEnded });
    if (trusted?.newest.kind === 'closed') afterEnd += await addAfterEnd(log, source, end);
    const claim = claimed?.ended ?? 0;
    if (claim > Math.max(sealed, trusted?.sequence ?? 0)) {
      const says = (missing: number, which: string) =>
        `a note says that the source has ended with number ${claim}, and of ${which} ${missing} are missing`;
      const range = { source, from: sealed + 1, to: claim };
      expected.push(hasKeys ? { ...range, says, isClaim: true } : { ...range, says: ofEnded });
    }
  }
  const nameless = await sources.countNameless();
  if (nameless > 0) {
    const message = `${nameless} rows of audit_sources name no source, or hold another type than notes have there.`;
    problems.add('source_contradicted', message);
  }

  // Holes of other processes whose loss the sealer does not record, since nobody who counts says that the numbers were given away.
  const local = new Set(localSources().map(({ source }) => source));
  for (const hole of order.unsealedHoles(gapTimeoutMs)) {
    const reached = noted.get(hole.source);
    // A process that lives has time to say how far it is.
    const mayBeSaid = Math.abs(Date.now() - hole.ended) <= WORD_TIMES * gapTimeoutMs;
    if (local.has(hole.source) || (reached !== undefined && (hole.to <= reached || mayBeSaid))) continue;
    const why =
      reached === undefined
        ? 'no note that counts tells that it is a process'
        : `its notes tell that it has come to number ${reached}`;
    const says = (missing: number, which: string) =>
      `Of ${which} of a source ${missing} are missing, and event ${hole.eventId} and what is after it are not sealed: ${why}.`;
    expected.push({ ...hole, says });
  }
  tellMissing(problems, expected, await letters.countMissing(expected));
  await verifyStored(log);
  return afterEnd;
}

/** What the database has stored of this process is there until it is sealed. A dead letter would not do: it is an event. */
async function verifyStored({ sealing, known, problems, order }: Verification): Promise<void> {
  const says = (missing: number, which: string) =>
    `Of ${which} of this process, which the database had taken as events, ${missing} are missing: they were removed before they were sealed.`;
  const expected = (await known.storedNumbers()).flatMap(({ source, ranges, ids }) => {
    const first = order.sealed(source) + 1;
    const unsealed = ranges.filter(([, to]) => to >= first);
    return unsealed.map(([from, to]) => ({ source, from: Math.max(from, first), to, ids, says }));
  });
  const counts = await sealing.countMissing(expected);
  for (const [index, { from, to, ids }] of expected.entries()) {
    // Of those whose ids are forgotten, any event will do.
    const own = [...ids].flatMap(([number, id]) => (number >= from && number <= to && id !== '' ? id : []));
    counts[index] = Math.max(counts[index]!, own.length - (await sealing.countIds(own)));
  }
  tellMissing(problems, expected, counts);
}

/**
 * Tells of the source's events with numbers after the one that it has closed with.
 *
 * @returns how many are stored and not in the log
 */
async function addAfterEnd(
  { sealing, problems, order, size }: Verification,
  source: string,
  end: number,
): Promise<number> {
  const sealed = order.sealed(source);
  for (const leaf of sealed > end ? await sealing.leavesAfter(source, end, LISTED, size) : []) {
    const message = `Event ${leaf.eventId}, leaf ${leaf.leafIndex}, has number ${leaf.sequence} of a source that has closed with number ${end}.`;
    problems.add('event_inserted', message, { ...leaf, source });
  }
  const [sequence, last] = [Math.max(sealed, end) + 1, order.highest(source)];
  if (last < sequence) return 0;
  const after = await sealing.eventsAfter(source, { sequence, id: '' }, LISTED);
  // What came since may be of a process that goes on with the source.
  const inserted = after.filter((event) => Number(event.sequence) <= last);
  for (const event of inserted) {
    problems.addInserted(event, `its source has closed before number ${String(event.sequence)}`);
  }
  return inserted.length;
}

/** @param counts how many numbers are missing of each */
function tellMissing(problems: ProblemList, expected: readonly Expected[], counts: readonly number[]): void {
  for (const [index, missing] of counts.entries()) {
    if (!(missing > 0)) continue;
    const { source, from, to, says, isClaim, eventId, leafIndex } = expected[index]!;
    const message = says(missing, numbers(from, to).toLowerCase());
    if (isClaim) addContradicted(problems, source, message);
    else problems.add('sequence_gap', message, { source, sequence: from, eventId, leafIndex });
  }
}

/** What of the notes of a source of this process, which goes on, is not so. @param given the last number that it has given away */
function whyNotLocal({ claimed, newestClaim }: SourceStanding, given: number): string | undefined {
  if (newestClaim && isEnd(newestClaim)) {
    return `note ${safeText(newestClaim.id, 36)} says that the source has ended, and it is a source of this process, which goes on`;
  }
  if (claimed && claimed.sequence > given) {
    return `a note says that number ${claimed.sequence} was given away, and this process has come to ${given}`;
  }
  return undefined;
}

/** What of the notes of another source is not so. @param last the highest number that is stored */
function whyNotSo({ newestClaim: note }: SourceStanding, last: number, hasKeys: boolean): string | undefined {
  // Without keys the journal of a machine that lost its power may know less than the database has.
  const isLast = note?.kind === 'closed' || (hasKeys && note?.kind === 'abandoned');
  if (!isLast || note.sequence >= last) return undefined;
  return `note ${safeText(note.id, 36)} says that the source has ended with number ${note.sequence}, and number ${last} is stored`;
}

function addContradicted(problems: ProblemList, source: string, why: string): void {
  const message = `In audit_sources, ${why}. No trusted key has signed it, so it counts for nothing.`;
  problems.add('source_contradicted', message, { source });
}
