import { AuditError } from '../../event/audit-error.js';
import { parseCheckpoint } from '../../ledger/checkpoint.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import { LedgerFormatError } from '../../ledger/format-error.js';
import { parseVerifierKey } from '../../ledger/keys.js';
import type { NoteVerifier } from '../../ledger/keys.js';
import { CompactRange } from '../../ledger/merkle.js';
import { openNote } from '../../ledger/note.js';
import { compactRangeAt, rootAt } from '../../ledger/proofs.js';
import type { LedgerRepository } from '../../store/ledger.repository.js';
import type { SealingRepository } from '../../store/sealing.repository.js';
import type { SourceRepository } from '../../store/source.repository.js';
import { TileReader } from '../../store/tile-reader.js';
import { CheckpointWalk } from './checkpoint-walk.js';
import { LeafWalk } from './leaf-walk.js';
import { ProblemList } from './problem-list.js';
import { SourceOrder } from './source-order.js';
import { verifyOutside } from './verify-outside.js';
import { verifyTiles } from './verify-tiles.js';
import type { VerifyOptions, VerifyResult } from './verification-result.js';

/** What verification reads. */
export interface LogStore {
  readonly ledger: LedgerRepository;
  readonly sealing: SealingRepository;
  readonly sources: SourceRepository;
}

/** What the process itself knows of its own numbers. */
export type OwnNumbers = () => readonly { readonly source: string; readonly sequence: number }[];

const MAX_PROBLEMS = 100;

/** Checks everything that the database holds of the log against everything else, in bounded memory. */
export class LogVerifier {
  constructor(
    private readonly store: LogStore,
    private readonly verifiers: readonly NoteVerifier[] = [],
    private readonly ownNumbers: OwnNumbers = () => [],
  ) {}

  /**
   * Streams the log, or a range of it, and looks for events outside of it where all of it is checked.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the option; `AUDIT_STORE_UNAVAILABLE`; or the signal's reason
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    const { ledger } = this.store;
    const verifiers = options.keys ? options.keys.map((key, index) => keyOf(key, index)) : this.verifiers;
    const kept = (options.checkpoints ?? []).map((note, index) => checkpointOf(note, index, verifiers));
    const head = await ledger.head();
    const size = head?.treeSize ?? 0;
    const from = bound('from', options.from ?? 0, 0, size);
    const to = bound('to', options.to ?? size, from, size);
    const problems = new ProblemList(bound('maxProblems', options.maxProblems ?? MAX_PROBLEMS, 1, 1_000_000));
    const isWhole = from === 0 && to === size;
    const total = to - from + (isWhole ? await this.store.sealing.countEvents() : 0);
    const report = (done: number) => {
      options.signal?.throwIfAborted();
      options.onProgress?.({ done, total: Math.max(done, total) });
    };

    const order = new SourceOrder(problems, from === 0);
    const { node } = new TileReader(ledger, from);
    for (const { treeSize, rootHash } of kept.filter((one) => one.treeSize <= from)) {
      if ((await rootAt(treeSize, node)).equals(rootHash)) continue;
      problems.add({
        code: 'history_rewritten',
        treeSize,
        message: `A checkpoint of ${treeSize} leaves was kept elsewhere, and the log has another root.`,
      });
    }
    const later = kept.filter((one) => one.treeSize > from);
    const checkpoints = new CheckpointWalk(ledger, verifiers, problems, later, from);
    const start = from === 0 ? new CompactRange() : await compactRangeAt(from, node);
    const leaves = new LeafWalk(ledger, problems, order, checkpoints, start);
    report(0);
    await leaves.walk(from, to, size, report);
    await verifyTiles(ledger, problems, size, () => report(to - from));
    const pending = isWhole
      ? await verifyOutside(this.store, problems, order, this.ownNumbers, (done) => report(to - from + done))
      : 0;
    return {
      ok: problems.count === 0,
      treeSize: size,
      ...(head && { rootHash: head.rootHash }),
      events: leaves.events,
      pending,
      checkpoints: checkpoints.compared,
      unsigned: checkpoints.unsigned,
      signaturesChecked: verifiers.length > 0,
      problems: problems.listed,
      ...(problems.count > problems.listed.length && {
        moreProblems: problems.count - problems.listed.length,
      }),
    };
  }
}

function bound(field: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw invalid(field, `${field} must be an integer from ${min} to ${max}`);
}

function keyOf(key: string, index: number): NoteVerifier {
  try {
    return parseVerifierKey(key);
  } catch (error) {
    throw invalid(`keys[${index}]`, (error as Error).message.replace(/\.$/, ''));
  }
}

/** One that its keeper gave: were it wrong in itself, it would say nothing of the log. */
function checkpointOf(note: string, index: number, verifiers: readonly NoteVerifier[]): Checkpoint {
  const field = `checkpoints[${index}]`;
  try {
    const unsigned = typeof note === 'string' && note.endsWith('\n\n');
    const { text, verifiedBy } = unsigned
      ? { text: note.slice(0, -1), verifiedBy: [] }
      : openNote(note, verifiers);
    if (verifiers.length > 0 && verifiedBy.length === 0) {
      throw new LedgerFormatError('The checkpoint is not signed by any of the keys');
    }
    return parseCheckpoint(text);
  } catch (error) {
    throw invalid(field, `${field}: ${(error as Error).message.replace(/\.$/, '')}`);
  }
}

function invalid(field: string, what: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `The audit log can't be verified so: ${what}.`, { field });
}
