import { AuditError } from '../../event/audit-error.js';
import { LedgerFormatError } from '../../ledger/format-error.js';
import { parseVerifierKey } from '../../ledger/keys.js';
import { compactRangeAt, rootAt } from '../../ledger/proofs.js';
import { TILE_WIDTH } from '../../ledger/tile.js';
import { TileReader, unlessBroken } from '../../store/tile-reader.js';
import { LEDGER_DEFAULTS } from '../../sealer/ledger-options.js';
import { openCheckpoint } from '../../sealer/read-checkpoint.js';
import { copyOfQuery } from '../audit-scope.js';
import { doubtOf, originOf } from '../believed-checkpoints.js';
import type { Trust } from '../believed-checkpoints.js';
import { CheckpointWalk } from './checkpoint-walk.js';
import type { KnownCheckpoint } from './checkpoint-walk.js';
import { LeafWalk } from './leaf-walk.js';
import { ProblemList } from './problem-list.js';
import { SourceOrder } from './source-order.js';
import { verifyOutside } from './verify-outside.js';
import { verifyStrays } from './verify-strays.js';
import { verifyTiles } from './verify-tiles.js';
import { ownersOf } from './verification.js';
import type { ExplainedLeaves, LogStore, Verification, VerifierKnowledge } from './verification.js';
import type { VerifyOptions, VerifyResult } from './verification-result.js';

const MAX_PROBLEMS = 100;

/** What those know who have nothing but the database. */
const NOTHING_KNOWN: VerifierKnowledge = {
  verifiers: [],
  unsignedUntil: 0,
  explanations: () => [],
  localSources: () => [],
  storedNumbers: () => Promise.resolve([]),
  gapTimeoutMs: LEDGER_DEFAULTS.gapTimeoutMs,
  lastSeen: () => undefined,
};

/** Checks everything that the database holds of the log against everything else, in bounded memory. */
export class LogVerifier {
  private readonly known: VerifierKnowledge;

  constructor(
    private readonly store: LogStore,
    known: Partial<VerifierKnowledge> = {},
  ) {
    this.known = { ...NOTHING_KNOWN, ...known };
  }

  /**
   * Streams the log, or a range of it, and looks for events outside of it where all of it is checked.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the option; `AUDIT_STORE_UNAVAILABLE`; or the signal's reason
   */
  async verify(asked: VerifyOptions = {}): Promise<VerifyResult> {
    const options = checked(asked);
    const { store, known } = this;
    const { ledger, sealing } = store;
    const { trust: given, kept } = this.trustOf(options);
    // Where nobody has said which log it is, its newest checkpoint says so for everything else.
    const trust = { ...given, origin: await originOf(ledger, given) };
    // Before the log is looked at: it must have come at least as far.
    const seen = known.lastSeen();
    if (seen) kept.push({ ...seen, how: 'was sealed or seen by this process' });
    const head = await ledger.head();
    const size = head?.treeSize ?? 0;
    const from = bound('from', options.from ?? 0, 0, size);
    const to = bound('to', options.to ?? size, from, size);
    const problems = new ProblemList(bound('maxProblems', options.maxProblems ?? MAX_PROBLEMS, 1, 1_000_000));
    const isWhole = from === 0 && to === size;
    const total = to - from + (isWhole ? await sealing.countEvents() : 0);
    const report = (done: number) => {
      options.signal?.throwIfAborted();
      options.onProgress?.({ done, total: Math.max(done, total) });
    };

    const before = from > 0 ? await sealing.gapsBefore(from) : undefined;
    const order = new SourceOrder(problems, before, await ownersOf(known));
    const log = { ...store, known, problems, order, trust, size };
    const later = kept.filter(({ treeSize }) => treeSize > from);
    const checkpoints = new CheckpointWalk(log, later, from);
    const start = await whole(problems, compactRangeAt(from, new TileReader(ledger, from).node));
    const explained: ExplainedLeaves[] = [];
    for (const explain of known.explanations()) explained.push(await explain(log));
    const leaves = new LeafWalk(log, checkpoints, explained, start);
    report(0);
    await leaves.walk(from, to, report);
    // Those at which no leaves were walked are compared with the tiles.
    const earlier = kept.filter(({ treeSize }) => treeSize <= from);
    await compareKept(log, [...earlier, ...checkpoints.rest]);
    await verifyTiles(log, () => report(to - from));
    await verifyStrays(log);
    for (const message of await ledger.strangeTables()) problems.add('table_replaced', message);
    const { pending, deadLetters } = isWhole
      ? await verifyOutside(log, (done) => report(to - from + done))
      : { pending: 0, deadLetters: 0 };
    const more = problems.count - problems.listed.length;
    return {
      ok: problems.count === 0,
      treeSize: size,
      ...(head && { rootHash: head.rootHash }),
      events: leaves.events,
      ...(leaves.removed > 0 && { removed: leaves.removed }),
      pending: pending + deadLetters,
      ...(deadLetters > 0 && { deadLetters }),
      checkpoints: checkpoints.compared,
      unsigned: checkpoints.unsigned,
      signaturesChecked: trust.verifiers.length > 0,
      problems: problems.listed,
      ...(more > 0 && { moreProblems: more }),
    };
  }

  private trustOf(options: VerifyOptions): { trust: Trust; kept: KnownCheckpoint[] } {
    const { known } = this;
    const keys = options.keys?.map((key, index) => valid(`keys[${index}]`, () => parseVerifierKey(key)));
    const verifiers = keys ?? known.verifiers;
    const until = options.unsignedUntil ?? known.unsignedUntil;
    const unsignedUntil = bound('unsignedUntil', until, 0, Number.MAX_SAFE_INTEGER);
    let origin = options.origin ?? known.origin;
    if (origin !== undefined && (typeof origin !== 'string' || origin === '')) {
      throw invalid('origin', 'must be the name of the log');
    }
    const kept = (options.checkpoints ?? []).map((note, index) => {
      const trust = { verifiers, unsignedUntil, origin };
      const checkpoint = valid(`checkpoints[${index}]`, () => keptCheckpoint(note, trust));
      origin ??= checkpoint.origin;
      return checkpoint;
    });
    return { trust: { verifiers, unsignedUntil, origin }, kept };
  }
}

/** A copy of what a caller gives, without what no option may be. */
function checked(asked: VerifyOptions): VerifyOptions {
  const options = copyOfQuery(asked);
  for (const [field, value] of Object.entries(options) as [string, unknown][]) {
    const isList = field === 'keys' || field === 'checkpoints';
    if (value !== null && (!isList || value === undefined || Array.isArray(value))) continue;
    throw invalid(field, isList ? 'must be a list' : 'must not be null');
  }
  return options;
}

/** `undefined` where the log is not whole, which is told of then. */
function whole<T>(problems: ProblemList, asked: Promise<T>): Promise<T | undefined> {
  return unlessBroken(asked, (how) =>
    problems.add('tile_missing', how.replace(/ nest-audit verify says.*$/, '')),
  );
}

/** Those of which no leaves were walked: the tiles tell whether the log goes on from them. */
async function compareKept(
  { ledger, problems, size }: Verification,
  kept: readonly KnownCheckpoint[],
): Promise<void> {
  let tiles = new TileReader(ledger, size);
  for (const [index, { treeSize, rootHash, how }] of kept.entries()) {
    // It keeps each tile that it has read.
    if (index % TILE_WIDTH === 0) tiles = new TileReader(ledger, size);
    if (treeSize > size) {
      const message = `A checkpoint of ${treeSize} leaves ${how}, and the log has ${size}: it was cut off, or set back to an older state.`;
      problems.add('log_truncated', message, { treeSize, leafIndex: size });
      continue;
    }
    const root = await whole(problems, rootAt(treeSize, tiles.node));
    if (!root || root.equals(rootHash)) continue;
    const message = `A checkpoint of ${treeSize} leaves ${how}, and the log has another root.`;
    problems.add('history_rewritten', message, { treeSize });
  }
}

/** One that its keeper gave: were it wrong in itself, it would say nothing of the log. */
function keptCheckpoint(note: string, trust: Trust): KnownCheckpoint {
  const checkpoint = openCheckpoint(note, trust.verifiers);
  const doubt = doubtOf(checkpoint, trust);
  if (doubt !== undefined) throw new LedgerFormatError(`The checkpoint is ${doubt}`);
  return { ...checkpoint, how: 'was kept elsewhere' };
}

function bound(field: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw invalid(field, `must be an integer from ${min} to ${max}`);
}

function valid<T>(field: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw invalid(field, `is not valid: ${(error as Error).message.replace(/\.$/, '')}`);
  }
}

function invalid(field: string, what: string): AuditError {
  const message = `The audit log was not verified: ${field} ${what}.`;
  return new AuditError('AUDIT_INVALID_QUERY', message, { field });
}
