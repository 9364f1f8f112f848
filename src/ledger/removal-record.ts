import { LedgerFormatError } from './format-error.js';
import type { NoteSigner, NoteVerifier } from './keys.js';
import { openNote, signNote } from './note.js';

/** Leaves, both ends included. */
export type LeafRange = readonly [first: number, last: number];

/** That the events of these leaves were removed by retention, while the leaves stay. */
export interface RemovalRecord {
  /** Of the log. */
  readonly origin: string;
  /** The event that has the record. */
  readonly eventId: string;
  /** In order, and apart. */
  readonly leaves: readonly LeafRange[];
}

/** A record, and whether it is to be believed. */
export interface OpenedRemoval extends RemovalRecord {
  /** One of the verifiers has signed it. */
  readonly isTrusted: boolean;
}

const HEADER = 'nest-audit-trail/removal/v1';

/**
 * The record as a note (C2SP signed-note); its text and an empty line where nobody signs.
 *
 * @throws LedgerFormatError where no note may have that text
 */
export async function sealRemoval(record: RemovalRecord, signer: NoteSigner | undefined): Promise<string> {
  const leaves = record.leaves.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  const text = `${HEADER}\n${record.origin}\n${record.eventId}\n${leaves.join(',')}\n`;
  return signer ? signNote(text, [signer]) : `${text}\n`;
}

/** @throws LedgerFormatError where it is no such note, or a signature of a verifier is wrong */
export function openRemoval(note: unknown, verifiers: readonly NoteVerifier[]): OpenedRemoval {
  if (typeof note !== 'string') throw new LedgerFormatError('The record of a removal is no text.');
  if (note.endsWith('\n\n')) return { ...parse(note.slice(0, -1)), isTrusted: false };
  const { text, verifiedBy } = openNote(note, verifiers);
  return { ...parse(text), isTrusted: verifiedBy.length > 0 };
}

function parse(text: string): RemovalRecord {
  const [header, origin, eventId, leaves, end, ...rest] = text.split('\n');
  if (header !== HEADER || !origin || !eventId || !leaves || end !== '' || rest.length > 0) {
    throw new LedgerFormatError('The note is no record of a removal.');
  }
  return { origin, eventId, leaves: rangesOf(leaves) };
}

function rangesOf(text: string): LeafRange[] {
  let before = -1;
  return text.split(',').map((part) => {
    const [, first, last = first] = /^(\d{1,16})(?:-(\d{1,16}))?$/.exec(part) ?? [];
    const range = [Number(first), Number(last)] as const;
    const isNext = Number.isSafeInteger(range[1]) && range[0] > before && range[1] >= range[0];
    if (!isNext) throw new LedgerFormatError('The record of a removal has leaves that are out of order.');
    before = range[1];
    return range;
  });
}

/** Leaves one by one, as ranges. @param indexes in any order, none twice */
export function leafRanges(indexes: readonly number[]): LeafRange[] {
  const ranges: [number, number][] = [];
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else ranges.push([index, index]);
  }
  return ranges;
}

/** Many ranges, that may touch or overlap. */
export class LeafSet {
  private ranges: LeafRange[] = [];
  private added: LeafRange[] = [];

  add(ranges: readonly LeafRange[]): void {
    for (const range of ranges) this.added.push(range);
  }

  has(index: number): boolean {
    if (this.added.length > 0) this.merge();
    let [low, high] = [0, this.ranges.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const [first, last] = this.ranges[middle]!;
      if (index < first) high = middle - 1;
      else if (index > last) low = middle + 1;
      else return true;
    }
    return false;
  }

  private merge(): void {
    const merged: [number, number][] = [];
    for (const [first, last] of [...this.ranges, ...this.added].sort((a, b) => a[0] - b[0])) {
      const before = merged.at(-1);
      if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
      else merged.push([first, last]);
    }
    this.ranges = merged;
    this.added = [];
  }
}
