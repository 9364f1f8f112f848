import { createHash } from 'node:crypto';
import { decodeHash } from '../../ledger/base64.js';
import { LedgerFormatError } from '../../ledger/format-error.js';
import { HASH_SIZE } from '../../ledger/merkle.js';
import type { LeafRange } from '../../store/ledger.repository.js';

/** A leaf whose event was removed. */
export interface RemovedLeaf {
  readonly leafIndex: number;
  /** 32 bytes. */
  readonly leafHash: Buffer;
  readonly eventId: string;
}

/** That the events of these leaves were removed by retention, while the leaves stay. */
export interface RemovalRecord {
  /** Leaves of the checkpoint against which the removed leaves were proved, and its root. */
  readonly treeSize: number;
  readonly rootHash: Buffer;
  /** In order, and apart; all of them below {@link treeSize}. */
  readonly leaves: readonly LeafRange[];
  /** Of {@link digestOfLeaves}: what the leaves were. */
  readonly digest: Buffer;
  /** Ids of the legal holds that were in force and were not on these events: the first of them, at most {@link MOST_HOLDS}. */
  readonly holds: readonly string[];
}

/** Leaves that one record may name. It bounds what a forged record costs a verification. */
export const MOST_REMOVED = 1_000;

/** Legal holds that one record names. */
export const MOST_HOLDS = 500;
const NO_HOLDS = 'no holds';

/** Bytes before an event's id: its leaf's index (8), its leaf's hash (32), and how many bytes the id has (4). */
const HEAD_SIZE = 8 + HASH_SIZE + 4;

/**
 * SHA-256 over the leaves in their order, each with its event's id, so that neither can be exchanged after the removal.
 *
 * @param leaves in the order of their indexes
 */
export function digestOfLeaves(leaves: readonly RemovedLeaf[]): Buffer {
  const hash = createHash('sha256');
  for (const { leafIndex, leafHash, eventId } of leaves) {
    const id = Buffer.from(eventId);
    const head = Buffer.alloc(HEAD_SIZE);
    head.writeBigUInt64BE(BigInt(leafIndex), 0);
    head.set(leafHash, 8);
    head.writeUInt32BE(id.length, 8 + HASH_SIZE);
    hash.update(head).update(id);
  }
  return hash.digest();
}

/** The record as lines of a statement, see `signStatement`, after that of its event's id. */
export function linesOf({ treeSize, rootHash, leaves, digest, holds }: RemovalRecord): readonly string[] {
  return [
    String(treeSize),
    rootHash.toString('base64'),
    showLeaves(leaves),
    digest.toString('base64'),
    holds.slice(0, MOST_HOLDS).join(',') || NO_HOLDS,
  ];
}

/** @throws LedgerFormatError where the lines are those of no such record */
export function removalIn(lines: readonly string[]): RemovalRecord {
  const [size = '', root, ranges = '', digestText, held = ''] = lines;
  const [treeSize, rootHash, digest] = [Number(size), decodeHash(root), decodeHash(digestText)];
  if (lines.length !== 5 || !/^\d{1,16}$/.test(size) || !rootHash || !digest) {
    throw new LedgerFormatError('The statement is no record of a removal.');
  }
  const leaves = rangesOf(ranges);
  if (!Number.isSafeInteger(treeSize) || leaves.at(-1)![1] >= treeSize) {
    throw new LedgerFormatError('The record of a removal has leaves that its checkpoint does not have.');
  }
  return { treeSize, rootHash, leaves, digest, holds: held === NO_HOLDS ? [] : held.split(',') };
}

/** For people, and in the record: `0-6,9`. */
export function showLeaves(ranges: readonly LeafRange[]): string {
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

function rangesOf(text: string): LeafRange[] {
  let before = -1;
  let count = 0;
  return text.split(',').map((part) => {
    const [, first, last = first] = /^(\d{1,16})(?:-(\d{1,16}))?$/.exec(part) ?? [];
    const range = [Number(first), Number(last)] as const;
    const isNext = Number.isSafeInteger(range[1]) && range[0] > before && range[1] >= range[0];
    if (!isNext) throw new LedgerFormatError('The record of a removal has leaves that are out of order.');
    before = range[1];
    count += range[1] - range[0] + 1;
    if (count > MOST_REMOVED) {
      throw new LedgerFormatError(`The record of a removal has more than ${MOST_REMOVED} leaves.`);
    }
    return range;
  });
}
