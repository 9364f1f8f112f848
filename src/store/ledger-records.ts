// The rows of the Merkle log's tables.
import { MAX_CHECKPOINT_NOTE, MAX_TILE } from './ledger-limits.js';
import { integer, optional, text, textUpTo } from './records.js';
import type { RecordOf } from './records.js';

/** A row of `audit_checkpoints`. */
export type StoredCheckpoint = RecordOf<typeof CHECKPOINT>;
export const CHECKPOINT = {
  /** Leaves. */
  treeSize: integer,
  /** The size of the checkpoint that it extends. */
  previousSize: integer,
  /** Base64. */
  rootHash: text,
  /** The signed note, or its text and an empty line where it is not signed. */
  note: textUpTo(MAX_CHECKPOINT_NOTE),
};

/** A row of `audit_leaves`. */
export type StoredLeaf = RecordOf<typeof LEAF>;
export const LEAF = {
  leafIndex: integer,
  eventId: text,
  /** Whose sequences the leaf accounts for; `null` where its event has no number. */
  source: optional(text),
  /** The first of them. */
  sequence: optional(integer),
  /** The last of them: the same, but where the event tells of a gap. */
  through: optional(integer),
  /** Base64. */
  leafHash: text,
};

/** A row of `audit_tiles`: a full tile. */
export type StoredTile = RecordOf<typeof TILE>;
export const TILE = {
  level: integer,
  tileIndex: integer,
  root: text,
  /** Base64 of 256 hashes. */
  hashes: textUpTo(MAX_TILE),
};
