import { safeText } from '../../event/safe-text.js';
import type { StoredNumbers } from '../../sealer/issued-numbers.js';
import type { NumberRange } from '../../event/sequence-set.js';
import { isEnd } from '../../store/source-note.js';
import type { SourceStanding } from '../../store/source-standing.js';
import type { StoredGap } from '../../store/sealing.repository.js';
import { LEDGER_DEFAULTS } from '../../sealer/ledger-options.js';
import type { LogStore, VerifierKnowledge, WalkedLog } from './verifier-knowledge.js';
import type { ProblemList } from './problem-list.js';
import { numbers } from './source-order.js';
import type { SourceOrder } from './source-order.js';
import type { UnsealedHole, UnsealedNumbers } from './unsealed-numbers.js';

/** So many times the time of a gap a process has to say how far it is, where a number of it is missing. */
const WORD_TIMES = 3;
/** Events after the end of their source that are told of one by one. */
const LISTED = 1_000;

/** Numbers that must be there, and what to say where some are missing. */
interface Expected extends NumberRange {
  readonly says: (missing: number) => string;
  /** Only a note that anybody may have written says that they were given away. */
  readonly isClaim?: true;
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
 * @param countMissing of how many numbers of each range there is neither an event nor a letter that explains it
 * @returns how many events are stored after the end of their source
 */
export async function verifySources(
  { store, known, problems, order, trust, size }: WalkedLog,
  unsealed: UnsealedNumbers,
  countMissing: (ranges: readonly NumberRange[]) => Promise<number[]>,
): Promise<number> {
  const { sealing, sources } = store;
  const { verifiers, origin } = trust;
  const { localSources = () => [], storedNumbers } = known;
  const hasKeys = verifiers.length > 0;
  const expected: Expected[] = order.openGaps.map(neverCame);
  const ended: NumberRange[] = [];
  /** Up to which number the loss of one is recorded by the sealer. */
  const noted = new Map<string, number>();

  for await (const standing of sources.standings({ verifiers, origin })) {
    const { source, trusted, claimed } = standing;
    // Asked for after the notes: it has given away no less than they say.
    const local = localSources().find((one) => one.source === source);
    const said = local
      ? whyNotLocal(standing, local.sequence)
      : whyNotSo(standing, unsealed.highest(source), hasKeys);
    if (said !== undefined) addContradicted(problems, source, said);
    // What is after the end of one that has closed is told of below.
    if (trusted?.newest.kind === 'closed') noted.set(source, Infinity);
    else if (trusted) noted.set(source, trusted.sequence);
    else if (!hasKeys && claimed) noted.set(source, Infinity);
    if (local) continue;
    const sealed = order.sealed(source);
    if (trusted && isEnd(trusted.newest)) {
      const { kind, sequence } = trusted.newest;
      if (trusted.sequence > sealed) expected.push(lostTail(source, sealed, trusted.sequence));
      const [from, to] = [Math.max(sealed, sequence) + 1, unsealed.highest(source)];
      if (kind === 'closed' && to >= from) ended.push({ source, from, to });
      const end = trusted.sequence;
      const late =
        kind === 'closed' && sealed > end ? await sealing.leavesAfter(source, end, LISTED, size) : [];
      for (const leaf of late) {
        const message = `Event ${leaf.eventId}, leaf ${leaf.leafIndex}, has number ${leaf.sequence} of a source that has closed with number ${end}.`;
        problems.add('event_inserted', message, { ...leaf, source });
      }
    }
    const claim = claimed?.ended ?? 0;
    if (claim > Math.max(sealed, trusted?.sequence ?? 0)) {
      expected.push(hasKeys ? claimedTail(source, sealed, claim) : lostTail(source, sealed, claim));
    }
  }
  const nameless = await sources.countNameless();
  if (nameless > 0) {
    const message = `${nameless} rows of audit_sources name no source, or hold another type than notes have there.`;
    problems.add('source_contradicted', message);
  }

  expected.push(...unrecordedHoles(known, unsealed, noted));
  await expect(expected, countMissing, problems);

  // A dead letter would not do: what was stored is an event.
  const stored = (await storedNumbers?.()) ?? [];
  await expect(storedUnsealed(stored, order), (ranges) => countLost(sealing, ranges, stored), problems);
  return reportStoredAfterEnd(sealing, ended, problems);
}

/** Holes of other processes whose loss the sealer does not record, since nobody who counts says that the numbers were given away. */
function unrecordedHoles(
  { gapTimeoutMs = LEDGER_DEFAULTS.gapTimeoutMs, localSources = () => [] }: VerifierKnowledge,
  unsealed: UnsealedNumbers,
  noted: ReadonlyMap<string, number>,
): Expected[] {
  const local = new Set(localSources().map(({ source }) => source));
  return unsealed.holes(gapTimeoutMs).flatMap((hole) => {
    const reached = noted.get(hole.source);
    if (local.has(hole.source)) return [];
    if (reached === undefined) return [unrecorded(hole, 'no note that counts tells that it is a process')];
    // The loss of a number up to there is recorded by the sealer, once its time is over. A process that lives has time to say how far it is.
    const mayBeSaid = Math.abs(Date.now() - hole.begun) <= WORD_TIMES * gapTimeoutMs;
    if (hole.to <= reached || mayBeSaid) return [];
    return [unrecorded(hole, `its notes tell that it has come to number ${reached}`)];
  });
}

/** What the database has stored of this process, and the log does not account for yet. */
function storedUnsealed(stored: readonly StoredNumbers[], order: SourceOrder): Expected[] {
  return stored.flatMap(({ source, ranges }) => {
    const sealed = order.sealed(source);
    return ranges
      .filter(([, to]) => to > sealed)
      .map(([from, to]) => storedBefore({ source, from: Math.max(from, sealed + 1), to }));
  });
}

/**
 * @param ended numbers of sources that have closed before them
 * @returns how many events are stored with these
 */
async function reportStoredAfterEnd(
  sealing: LogStore['sealing'],
  ended: readonly NumberRange[],
  problems: ProblemList,
): Promise<number> {
  let inserted = 0;
  for (const { source, from, to } of ended) {
    for (const event of await sealing.eventsAfter(source, { sequence: from, id: '' }, LISTED)) {
      // What came since may be of a process that goes on with the source.
      if (Number(event.sequence) > to) break;
      problems.addInserted(event, `its source has closed before number ${String(event.sequence)}`);
      inserted += 1;
    }
  }
  return inserted;
}

/** Of how many numbers of each range their events are missing; of those whose ids are forgotten, any event. */
async function countLost(
  sealing: LogStore['sealing'],
  ranges: readonly NumberRange[],
  stored: readonly StoredNumbers[],
): Promise<number[]> {
  const counts = await sealing.countMissing(ranges);
  for (const [index, { source, from, to }] of ranges.entries()) {
    const ids: string[] = [];
    for (const [number, id] of stored.find((one) => one.source === source)?.ids ?? []) {
      if (number >= from && number <= to && id !== '') ids.push(id);
    }
    counts[index] = Math.max(counts[index]!, ids.length - (await sealing.countIds(ids)));
  }
  return counts;
}

/** Tells of those of which a number is missing. */
async function expect(
  expected: readonly Expected[],
  countMissing: (ranges: readonly NumberRange[]) => Promise<number[]>,
  problems: ProblemList,
): Promise<void> {
  for (const [index, missing] of (await countMissing(expected)).entries()) {
    if (!(missing > 0)) continue;
    const { source, from, says, isClaim, eventId, leafIndex } = expected[index]!;
    if (isClaim) addContradicted(problems, source, says(missing));
    else problems.add('sequence_gap', says(missing), { source, sequence: from, eventId, leafIndex });
  }
}

/** What of the notes of a source of this process, which goes on, is not so. */
function whyNotLocal(
  { claimed, newestClaim, unreadable }: SourceStanding,
  given: number,
): string | undefined {
  if (newestClaim && isEnd(newestClaim)) {
    return `note ${safeText(newestClaim.id, 36)} says that the source has ended, and it is a source of this process, which goes on`;
  }
  if (claimed && claimed.sequence > given) {
    return `a note says that number ${claimed.sequence} was given away, and this process has come to ${given}`;
  }
  return whyUnreadable(unreadable);
}

/**
 * What of the notes of a source is not so.
 *
 * @param last the highest number that is stored
 */
function whyNotSo(
  { newestClaim, unreadable }: SourceStanding,
  last: number,
  hasKeys: boolean,
): string | undefined {
  // Without keys the journal of a machine that lost its power may know less than the database has.
  const isLast = newestClaim?.kind === 'closed' || (hasKeys && newestClaim?.kind === 'abandoned');
  if (newestClaim && isLast && newestClaim.sequence < last) {
    return `note ${safeText(newestClaim.id, 36)} says that the source has ended with number ${newestClaim.sequence}, and number ${last} is stored`;
  }
  return whyUnreadable(unreadable);
}

function whyUnreadable(unreadable: number): string | undefined {
  return unreadable > 0 ? `${unreadable} notes of the source hold what no process writes` : undefined;
}

function addContradicted(problems: ProblemList, source: string, why: string): void {
  const message = `In audit_sources, ${why}. No trusted key has signed it, so it counts for nothing.`;
  problems.add('source_contradicted', message, { source });
}

function neverCame(gap: StoredGap): Expected {
  const which = `${numbers(gap.from, gap.to)} of a source never came`;
  const says = (lost: number) =>
    `${which}: ${lost} events were lost, or removed before they were sealed. Event ${gap.eventId} recorded it.`;
  return { ...gap, says };
}

function lostTail(source: string, sealed: number, to: number): Expected {
  const range = { source, from: sealed + 1, to };
  const says = (missing: number) => `Of ${named(range)} of a source that has ended, ${missing} are missing.`;
  return { ...range, says };
}

function claimedTail(source: string, sealed: number, to: number): Expected {
  const range = { source, from: sealed + 1, to };
  const says = (missing: number) =>
    `a note says that the source has ended with number ${to}, and of ${named(range)} ${missing} are missing`;
  return { ...range, says, isClaim: true };
}

function unrecorded(hole: UnsealedHole, why: string): Expected {
  const says = (missing: number) =>
    `Of ${named(hole)} of a source ${missing} are missing, and event ${hole.eventId} and what is after it are not sealed: ${why}.`;
  return { ...hole, says };
}

function storedBefore(range: NumberRange): Expected {
  const says = (missing: number) =>
    `Of ${named(range)} of this process, which the database had taken as events, ${missing} are missing: they were removed before they were sealed.`;
  return { ...range, says };
}

function named({ from, to }: NumberRange): string {
  return numbers(from, to).toLowerCase();
}
