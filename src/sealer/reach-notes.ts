import type { SourceNumber } from '../event/sequence-set.js';
import type { LedgerRepository } from '../store/ledger.repository.js';
import type { SealingRepository } from '../store/sealing.repository.js';

/** How often to look at most. */
const SHORTEST_MS = 250;
/** After so many looks at the same hole the process says again how far it has come: its key may not have signed the note. */
const LOOKS_UNTIL_AGAIN = 10;

/**
 * Has the process say how far its sources have come, where a number of theirs is missing in the log. Others record the loss only on
 * its signed word: a hole may as well be made by whoever can insert an event with a number that is not given away yet.
 */
export class ReachNotes {
  private timer: NodeJS.Timeout | undefined;
  /** Where each source was found to have a hole: the number before it, and how often it was found. */
  private holes = new Map<string, { readonly sealed: number; readonly looks: number }>();
  private readonly said = new Map<string, number>();
  /** Up to where the log has each source without a hole. */
  private readonly whole = new Map<string, number>();
  private isLooking = false;

  /**
   * @param reached the last number of each source of this process that the database has
   * @param say has the process say, with its signature, that the source has come to this number
   */
  constructor(
    private readonly ledger: LedgerRepository,
    private readonly sealing: SealingRepository,
    private readonly reached: () => Promise<readonly SourceNumber[]>,
    private readonly say: (source: string, sequence: number) => void,
    private readonly gapTimeoutMs: number,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.look(), Math.max(SHORTEST_MS, this.gapTimeoutMs / 2)).unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    // While the database is away, delivery says so.
    await this.lookOnce().catch(() => undefined);
    this.isLooking = false;
  }

  private async lookOnce(): Promise<void> {
    const last = new Map((await this.reached()).map(({ source, sequence }) => [source, sequence]));
    if ([...last].every(([source, reached]) => reached <= (this.whole.get(source) ?? 0))) return;
    const size = (await this.ledger.head())?.treeSize ?? 0;
    const holes: typeof this.holes = new Map();
    for (const { source, sealed, next } of await this.sealing.progressOf([...last.keys()], size)) {
      this.whole.set(source, sealed);
      const reached = last.get(source)!;
      if (next === undefined || next === sealed + 1 || reached <= sealed) continue;
      const before = this.holes.get(source);
      const looks = before?.sealed === sealed ? before.looks + 1 : 1;
      holes.set(source, { sealed, looks });
      // Seen again: it does not fill up by itself.
      const isNews = looks === 2 && sealed >= (this.said.get(source) ?? 0);
      if (!isNews && looks % LOOKS_UNTIL_AGAIN !== 0) continue;
      this.said.set(source, reached);
      this.say(source, reached);
    }
    this.holes = holes;
  }
}
