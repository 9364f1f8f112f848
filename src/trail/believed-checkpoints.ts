import { pages } from '../event/pages.js';
import { isOfLog } from '../ledger/checkpoint.js';
import type { Checkpoint } from '../ledger/checkpoint.js';
import { unlessMalformed } from '../ledger/format-error.js';
import type { NoteSigner } from '../ledger/keys.js';
import { openStored } from '../sealer/read-checkpoint.js';
import type { OpenedCheckpoint } from '../sealer/read-checkpoint.js';
import type { StoredCheckpoint } from '../store/audit.entities.js';
import type { LedgerRepository } from '../store/ledger.repository.js';
import type { StatementTrust } from '../store/statement-signer.js';

/** Whose word counts, of checkpoints as well. */
export interface Trust extends StatementTrust {
  /** Up to this size a checkpoint need not be signed, and what is sealed below it need not be either. */
  readonly unsignedUntil: number;
}

/** The log, whose word counts in it, and who signs in its name here. */
export interface TrustedLog {
  readonly ledger: LedgerRepository;
  readonly trust: Trust;
  /** Absent where this process has no key. */
  readonly signer?: NoteSigner;
}

const PAGE = 100;

/**
 * The checkpoints of the log that a trusted key has signed, or that need no signature, newest first. Rows that somebody has
 * inserted are passed over. Whether the leaves have their roots is not checked here.
 */
export async function* believedCheckpoints(
  ledger: LedgerRepository,
  trust: Trust,
): AsyncGenerator<Checkpoint, undefined> {
  const found = pages<StoredCheckpoint>(PAGE, (last) =>
    ledger.checkpointsBelow(last?.treeSize ?? Number.MAX_SAFE_INTEGER, PAGE),
  );
  for await (const page of found) {
    for (const stored of page) {
      const checkpoint = unlessMalformed(() => openStored(stored, trust.verifiers));
      if (checkpoint && doubtOf(checkpoint, trust) === undefined) yield checkpoint;
    }
  }
}

/** The name of the log: what is known of it, else that of its newest checkpoint that is believed. */
export async function originOf(ledger: LedgerRepository, trust: Trust): Promise<string | undefined> {
  if (trust.origin !== undefined) return trust.origin;
  const { value: newest } = await believedCheckpoints(ledger, trust).next();
  return newest?.origin;
}

/** Why the checkpoint is not to be believed, after "is"; `undefined` where it is. */
export function doubtOf(
  { origin, treeSize, isSigned, isTrusted }: OpenedCheckpoint,
  trust: Trust,
): string | undefined {
  if (trust.origin !== undefined && !isOfLog(origin, trust.origin)) {
    return `of the log ${origin}, not of ${trust.origin}`;
  }
  if (isTrusted || trust.verifiers.length === 0) return undefined;
  if (isSigned) return 'signed by none of the keys';
  return treeSize > trust.unsignedUntil ? 'not signed' : undefined;
}
