import type { AuditLogEvent } from '../event/audit-log-event.js';
import { isFacts, isTexts } from '../event/event-checks.js';
import { decodeHash } from './base64.js';
import { EVENT_NAMES, eventLeafHash } from './canonical-event.js';
import { parseCheckpoint } from './checkpoint.js';
import type { Checkpoint } from './checkpoint.js';
import { LedgerFormatError } from './format-error.js';
import type { NoteVerifier } from './keys.js';
import { openNote } from './note.js';
import { formatTlogProof } from './tlog-proof.js';
import { verifyInclusion } from './verify-proof.js';

export const PROOF_FORMAT = 'nest-audit-trail/proof@1';

/** That an event is in the log of a checkpoint: everything that it takes to check it elsewhere, but the verifier key. */
export interface AuditProof {
  readonly format: typeof PROOF_FORMAT;
  /** As it is stored. */
  readonly event: AuditLogEvent;
  /** Counted from 0. */
  readonly leafIndex: number;
  /** Leaves of the checkpoint's tree. */
  readonly treeSize: number;
  /** Base64 of the hashes from the leaf's sibling up (RFC 6962, section 2.1.1). */
  readonly proof: readonly string[];
  /** Signed note (C2SP tlog-checkpoint). */
  readonly checkpoint: string;
}

/** What became of a check. */
export type ProofCheck =
  | { readonly ok: true; readonly checkpoint: Checkpoint; readonly verifiedBy: readonly NoteVerifier[] }
  | { readonly ok: false; readonly reason: string };

/**
 * Checks a bundle against keys that are trusted. Never throws: a bundle that is malformed in any way proves nothing.
 *
 * @param bundle what `prove()` answered, or its JSON was parsed to by `parseStrictJson`: `JSON.parse` takes the last of two members of one
 *   name, and others the first
 * @param verifiers one of them must have signed the checkpoint
 */
export function checkProof(bundle: unknown, verifiers: readonly NoteVerifier[]): ProofCheck {
  const refused = (reason: string): ProofCheck => ({ ok: false, reason });
  try {
    // A member more could be what somebody else reads in place of these.
    if (!hasAllOf(bundle))
      return refused('It is no proof: it has a member that no proof has, or lacks one that each has.');
    const { format, event, leafIndex, treeSize, proof, checkpoint: note } = bundle;
    if (format !== PROOF_FORMAT) return refused(`It is no proof of the format ${PROOF_FORMAT}.`);
    const { text, verifiedBy } = openNote(note, verifiers);
    if (verifiedBy.length === 0) return refused('Its checkpoint is not signed by any of the keys.');
    const checkpoint = parseCheckpoint(text);
    if (checkpoint.treeSize !== treeSize) return refused('Its checkpoint is of another size than it says.');
    if (!isStoredEvent(event)) return refused('Its event has something that no stored event has.');
    const isIncluded = verifyInclusion({
      leafIndex,
      treeSize,
      leafHash: eventLeafHash(event),
      proof,
      root: checkpoint.rootHash,
    });
    if (!isIncluded) return refused('Its event is not in the log of its checkpoint at that place.');
    return { ok: true, checkpoint, verifiedBy };
  } catch (error) {
    return refused(error instanceof LedgerFormatError ? error.message : 'It is no proof.');
  }
}

/**
 * The same proof as a `.tlog-proof` file (C2SP tlog-proof).
 *
 * @throws LedgerFormatError where one of its hashes is none
 */
export function toTlogProof({ leafIndex, proof, checkpoint }: AuditProof): string {
  const hashes = proof.map((hash) => {
    const bytes = decodeHash(hash);
    if (bytes) return bytes;
    throw new LedgerFormatError('A hash of the proof is not the base64 of 32 bytes.');
  });
  return formatTlogProof({ leafIndex, proof: hashes, checkpoint });
}

const MEMBERS = ['format', 'event', 'leafIndex', 'treeSize', 'proof', 'checkpoint'];

/** Whether the bundle itself has just the members of one. */
function hasAllOf(bundle: unknown): bundle is AuditProof {
  return hasOnly(bundle, MEMBERS) && Object.keys(bundle).length === MEMBERS.length;
}

/** Whether all of it goes into the leaf: what does not could be anything. */
function isStoredEvent(event: AuditLogEvent): boolean {
  if (!hasOnly(event, EVENT_NAMES)) return false;
  const { details, metadata, complianceFlags, ...rest } = event;
  return (
    isFacts(details) && isFacts(metadata) && isTexts(complianceFlags) && Object.values(rest).every(isScalar)
  );
}

function hasOnly(value: unknown, names: readonly string[]): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.keys(value).every((name) => names.includes(name));
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}
