import { randomUUID } from 'node:crypto';
import { AuditError } from '../event/audit-error.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { formatCheckpoint } from '../ledger/checkpoint.js';
import { signNote } from '../ledger/note.js';
import type { LedgerRepository, StoredCheckpoint } from '../store/ledger.repository.js';
import type { SealingRepository } from '../store/sealing.repository.js';
import type { SourceRepository } from '../store/source.repository.js';
import { describeStoreError } from '../store/store-error.js';
import { within } from '../store/within.js';
import { Collector } from './collector.js';
import type { CollectorOptions } from './collector.js';
import type { LedgerKeys } from './ledger-keys.js';
import { LEDGER_DEFAULTS } from './ledger-options.js';
import type { LedgerOptions, SignedCheckpoint } from './ledger-options.js';
import { LeaseHolder } from './lease-holder.js';
import { LogTip } from './log-tip.js';
import { Publisher } from './publisher.js';
import { readCheckpoint } from './read-checkpoint.js';

/** Leaves that one step adds: the width of its INSERT. */
const BATCH = 500;
/** Times that somebody else may be faster before a checkpoint that was asked for is given up. */
const MAX_RACES = 20;
const LAST_RETRY_MS = 30_000;
/** Looking at all sources, where there is nothing to seal, may take so much of the time. */
const SHARE_OF_TIME = 0.05;
const PUBLISH_PATIENCE_MS = 1_000;

/** What the sealer is told by the rest of the process. */
export interface SealerHost extends Omit<CollectorOptions, 'gapTimeoutMs'> {
  /** A name for the log that its key does not name. */
  readonly installation: () => Promise<string>;
  /** An event of a gap was stored. */
  readonly stored: (event: AuditLogEvent) => void;
}

/**
 * Puts what is stored into the Merkle log, batch by batch, each with a checkpoint that extends the one before. Any number of
 * processes may try: a lease has one of them work at a time, and the database takes only one successor of a checkpoint,
 * so that the log has one history even where two believe that they hold the lease.
 */
export class Sealer {
  private readonly collector: Collector;
  private readonly lease: LeaseHolder;
  private readonly publishers: readonly Publisher[];
  private readonly warnings: RateLimitedLog;
  private readonly intervalMs: number;
  private tip: LogTip | undefined;
  private origin: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Steps are taken one after another. */
  private working: Promise<unknown> = Promise.resolve();
  private waitMs: number;
  private closed = false;

  constructor(
    private readonly ledger: LedgerRepository,
    private readonly sealing: SealingRepository,
    sources: SourceRepository,
    private readonly keys: LedgerKeys,
    private readonly options: LedgerOptions,
    private readonly host: SealerHost,
    logger: AuditLogger,
  ) {
    this.intervalMs = this.waitMs = options.intervalMs ?? LEDGER_DEFAULTS.intervalMs;
    this.warnings = new RateLimitedLog(logger, 60_000);
    this.lease = new LeaseHolder(sealing, randomUUID());
    this.collector = new Collector(sealing, sources, {
      ...host,
      gapTimeoutMs: options.gapTimeoutMs ?? LEDGER_DEFAULTS.gapTimeoutMs,
    });
    this.publishers = [options.publish ?? []].flat().map((target) => new Publisher(target, logger));
  }

  private get seals(): boolean {
    return this.options.seal ?? LEDGER_DEFAULTS.seal;
  }

  /** Takes its turns from now on, in the background. */
  start(): void {
    if (this.seals) this.schedule();
  }

  /**
   * Seals everything that is stored and due, and answers the newest checkpoint; where this process does not seal, only the
   * latter.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; `AUDIT_LEDGER_BROKEN` where the log is not one that may be extended
   */
  checkpoint(): Promise<SignedCheckpoint> {
    return this.inTurn(async () => {
      if (this.seals) await this.sealAll();
      return this.signed(await this.ledger.head());
    });
  }

  /** Seals what is left, within the time, and lets others go on. Never throws. */
  async close(patienceMs: number): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    if (this.seals) {
      const last = this.inTurn(async () => {
        await this.sealAll(() => this.lease.hold());
        await this.lease.release();
      });
      // What is left is sealed by whoever takes the next turn.
      await within(
        patienceMs,
        last.catch((error: unknown) => this.complain(error)),
      );
      await within(PUBLISH_PATIENCE_MS, Promise.all(this.publishers.map((publisher) => publisher.idle())));
    }
    for (const publisher of this.publishers) publisher.close();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.working.then(work);
    this.working = turn.catch(() => undefined);
    return turn;
  }

  private schedule(): void {
    if (this.closed) return;
    this.timer = setTimeout(() => {
      void this.inTurn(() => this.turn()).finally(() => this.schedule());
    }, this.waitMs);
    this.timer.unref();
  }

  private async turn(): Promise<void> {
    const begun = performance.now();
    try {
      const sealed = await this.sealAll(() => this.lease.hold());
      const took = performance.now() - begun;
      this.waitMs = sealed > 0 ? this.intervalMs : Math.max(this.intervalMs, took / SHARE_OF_TIME);
    } catch (error) {
      this.waitMs = Math.min(Math.max(this.waitMs, this.intervalMs) * 2, LAST_RETRY_MS);
      this.complain(error);
    }
  }

  private complain(error: unknown): void {
    // While the database is away, the delivery says so.
    if (error instanceof AuditError && error.code === 'AUDIT_STORE_UNAVAILABLE' && !error.cause) return;
    this.warnings.warn('seal', `The audit log could not be sealed: ${describeStoreError(error)}.`);
  }

  /**
   * @param mayGoOn asked before each batch
   * @returns how many leaves were added
   */
  private async sealAll(mayGoOn?: () => Promise<boolean>): Promise<number> {
    let added = 0;
    let races = 0;
    while (!mayGoOn || (await mayGoOn())) {
      const leaves = await this.step();
      if (leaves === 'outrun') {
        races += 1;
        if (races > MAX_RACES) break;
        continue;
      }
      added += leaves;
      if (leaves < BATCH) break;
    }
    return added;
  }

  /** Adds one batch, and answers how many leaves it has. `outrun`: somebody else has extended the log meanwhile. */
  private async step(): Promise<number | 'outrun'> {
    const head = await this.ledger.head();
    const tip = await this.tipOf(head);
    const { leaves, gapEvents } = await this.collector.next(BATCH);
    if (leaves.length === 0) return 0;
    const { tip: extended, tiles } = tip.extend(leaves.map(({ hash }) => hash));
    const signed = await this.sign(extended);
    try {
      await this.sealing.seal({
        gapEvents,
        leaves: leaves.map(({ hash, ...leaf }, index) => ({
          ...leaf,
          leafIndex: tip.size + index,
          leafHash: hash.toString('base64'),
        })),
        tiles,
        checkpoint: {
          treeSize: extended.size,
          previousSize: tip.size,
          rootHash: signed.rootHash,
          note: signed.note,
        },
      });
    } catch (error) {
      this.tip = undefined;
      const now = await this.ledger.head();
      if ((now?.treeSize ?? 0) !== tip.size) return 'outrun';
      throw error;
    }
    this.tip = extended;
    for (const event of gapEvents) this.host.stored(event);
    for (const publisher of this.publishers) publisher.publish(signed);
    return leaves.length;
  }

  /** The edge of the log at its head, checked before it is extended for the first time. */
  private async tipOf(head: StoredCheckpoint | undefined): Promise<LogTip> {
    const size = head?.treeSize ?? 0;
    if (this.tip?.size === size) return this.tip;
    const tip = await LogTip.load(this.ledger, size);
    if (head) {
      const { isSigned } = readCheckpoint(head, this.keys.verifiers);
      if (tip.root().toString('base64') !== head.rootHash) {
        throw new AuditError(
          'AUDIT_LEDGER_BROKEN',
          `The audit log of ${size} leaves does not have the root of its newest checkpoint, so nothing is added to it. nest-audit verify says what is wrong`,
        );
      }
      if (!isSigned && this.keys.signer) {
        this.warnings.warn(
          'unsigned',
          `The first ${size} leaves of the audit log had no signed checkpoint. What is signed from now on vouches for them as they are now.`,
        );
      }
    }
    this.tip = tip;
    return tip;
  }

  private async sign(tip: LogTip): Promise<SignedCheckpoint> {
    this.origin ??= this.options.origin ?? this.keys.signer?.name ?? (await this.host.installation());
    const rootHash = tip.root();
    const text = formatCheckpoint({ origin: this.origin, treeSize: tip.size, rootHash });
    const note = await signNote(text, this.keys.signer ? [this.keys.signer] : []);
    return { origin: this.origin, treeSize: tip.size, rootHash: rootHash.toString('base64'), note };
  }

  private async signed(head: StoredCheckpoint | undefined): Promise<SignedCheckpoint> {
    if (!head) return this.sign(await LogTip.load(this.ledger, 0));
    const { origin } = readCheckpoint(head, this.keys.verifiers);
    return { origin, treeSize: head.treeSize, rootHash: head.rootHash, note: head.note };
  }
}
