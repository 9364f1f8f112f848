// The sub-path nest-audit-trail/ledger: everything that a third party needs to check a log, without a database.
export { canonicalEvent, eventLeafHash } from './canonical-event.js';
export { canonicalJson } from './canonical-json.js';
export { formatCheckpoint, parseCheckpoint } from './checkpoint.js';
export type { Checkpoint } from './checkpoint.js';
export { LedgerFormatError } from './format-error.js';
export { externalSigner, generateKeys, parseSignerKey, parseVerifierKey } from './keys.js';
export type { NoteSigner, NoteVerifier } from './keys.js';
export { CompactRange, EMPTY_ROOT, HASH_SIZE, leafHash, nodeHash } from './merkle.js';
export { openNote, signNote } from './note.js';
export type { OpenedNote } from './note.js';
export { checkProof, PROOF_FORMAT, toTlogProof } from './proof-bundle.js';
export type { AuditProof, ProofCheck } from './proof-bundle.js';
export { compactRangeAt, consistencyProof, inclusionProof, rootAt } from './proofs.js';
export type { NodeReader } from './proofs.js';
export { parseStrictJson } from './strict-json.js';
export {
  decodeHashes,
  encodeHashes,
  entriesPath,
  nodeInTile,
  TILE_HEIGHT,
  TILE_WIDTH,
  tileOfNode,
  tilePath,
  tileRoot,
} from './tile.js';
export { formatTlogProof, parseTlogProof } from './tlog-proof.js';
export type { TlogProof } from './tlog-proof.js';
export { verifyConsistency, verifyInclusion } from './verify-proof.js';
export type { ConsistencyClaim, CountInput, HashInput, InclusionClaim } from './verify-proof.js';
