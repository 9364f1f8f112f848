import { AsyncResource } from 'node:async_hooks';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogger } from '../../event/audit-logger.js';
import type { DetectionRepository } from './detection.repository.js';
import { within } from '../../store/within.js';
import { checkDetectionOptions } from './detection-options.js';
import type { DetectionOptions } from './detection-options.js';
import { tellsOfAudit } from './detections.js';
import { crossingOf } from './finding.js';
import type { Finding } from './finding.js';
import { RecentMap } from '../../event/recent-map.js';
import { Sweep } from './sweep.js';
import type { DirtyKey } from './detection-memory.js';
import { DetectionMemory } from './detection-memory.js';

/** What the detector is given by the rest of the process. */
export interface DetectorHost {
  /** Records the finding like any event of this process; the recorder numbers it and gives it an id. */
  readonly report: (finding: Finding) => void;
  /** Writes the finding's event into the store, without a number, under this id; passes it over where it is there. */
  readonly store: (finding: Finding, id: string) => Promise<void>;
  /** Resolves once every event recorded so far is stored; rejects where the database takes none. */
  readonly flush: () => Promise<void>;
}

/** Between two sweeps there are at least so many milliseconds, and else this share of the window. */
const LEAST_PAUSE_MS = 5_000;
const SHARE_OF_WINDOW = 1 / 20;
/** How often it looks whether a sweep is due: so soon one confirms a finding of the memory. */
const TICK_MS = 1_000;
const CROSSINGS = 10_000;
/** Keys of one detection that a sweep looks up; the others wait for the next. */
const KEYS_A_SWEEP = 500;

/**
 * Looks for patterns in the stream of events. Each event costs some looks into memory, never waits and
 * never fails. A window of more than a minute is decided by what all processes have stored; while the
 * database is away, by what this process remembers.
 */
export class Detector {
  private readonly memories: readonly DetectionMemory[];
  /** Of the memories of which the store decides. */
  private readonly sweeps: readonly Sweep[];
  private readonly warnings: RateLimitedLog;
  /** The events that reached a threshold lately. */
  private readonly crossings = new RecentMap<string, true>(CROSSINGS);
  /** Sweeps run in no request's context, whichever request set them off. */
  private readonly context = new AsyncResource('AuditDetector');
  /** Sweeps are made one after another. */
  private working: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private sweptAt = -Infinity;
  private state: 'made' | 'started' | 'closed' = 'made';
  /** Whoever takes the findings has gone. */
  private isOver = false;

  /**
   * @param volumeKeys the keys of `details` that have a count of records, as for the risk score
   * @param eventsASweep how many events of one detection by one kind of key a sweep reads
   * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `detection.bruteForce.threshold`
   */
  constructor(
    options: DetectionOptions,
    repository: DetectionRepository,
    private readonly host: DetectorHost,
    logger: AuditLogger,
    volumeKeys?: readonly string[],
    eventsASweep?: number,
  ) {
    const { detections, maxKeys } = checkDetectionOptions(options, volumeKeys);
    this.memories = detections.flatMap((detection) =>
      detection.ways.map((way) => new DetectionMemory(detection, way, maxKeys)),
    );
    this.sweeps = this.memories
      .filter(({ detection }) => detection.isShared)
      .map((memory) => new Sweep(memory, repository, host.store, this.crossings, eventsASweep));
    this.warnings = new RateLimitedLog(logger);
  }

  /** How many keys are remembered, by detection and kind of key: `brute-force by address`. */
  get size(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.memories.map((memory) => [`${memory.detection.name} by ${memory.way.by}`, memory.size]),
    );
  }

  /** Looks at an event that was recorded. Never throws and never waits. */
  observe(event: AuditLogEvent): void {
    if (tellsOfAudit(event)) return;
    for (const memory of this.memories) {
      try {
        const finding = memory.observe(event);
        // Of the others the next sweep decides.
        if (finding && !memory.detection.isShared) this.report(memory, finding);
      } catch (error) {
        this.warnings.warn(
          'observe',
          `The audit's detection ${memory.detection.name} failed on an event: ${String(error)}.`,
        );
      }
    }
  }

  /** Sweeps in the background from now on. */
  start(): void {
    if (this.state !== 'made' || this.sweeps.length === 0) return;
    this.state = 'started';
    this.context.runInAsyncScope(() => this.wait());
  }

  /**
   * Decides, now, on everything that was recorded so far, once it is stored. While the database is away, what this process
   * alone has seen decides, and is decided again later. Never rejects.
   */
  sweep(): Promise<void> {
    return this.inTurn(() => this.sweepAll(this.sweeps.filter(({ memory }) => memory.isDirty)));
  }

  /** Ends, once a sweep that is under way is done, and with a last one, where there is time for it. Reports nothing after. */
  async close(patienceMs = 0): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    clearTimeout(this.timer);
    // In turn: after the one that is under way, which may have taken all that there was to look up.
    if (patienceMs > 0) await within(patienceMs, this.sweep());
    this.isOver = true;
  }

  private wait(): void {
    if (this.state !== 'started') return;
    this.timer = setTimeout(() => void this.sweepDue().then(() => this.wait()), TICK_MS).unref();
  }

  private sweepDue(): Promise<void> {
    return this.inTurn(() => {
      const now = performance.now();
      const due = this.sweeps.filter(({ memory }) => {
        const pauseMs = Math.max(LEAST_PAUSE_MS, memory.detection.windowMs * SHARE_OF_WINDOW);
        if (memory.isUrgent) return now - this.sweptAt >= LEAST_PAUSE_MS;
        return memory.isDirty && now - memory.sweptAt >= pauseMs;
      });
      return this.sweepAll(due);
    });
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.working = this.context.runInAsyncScope(() => this.working.then(work));
    return this.working;
  }

  private async sweepAll(sweeps: readonly Sweep[]): Promise<void> {
    if (sweeps.length === 0 || this.isOver) return;
    this.sweptAt = performance.now();
    const taken = sweeps.map((sweep) => [sweep, sweep.memory.dirtyKeys(KEYS_A_SWEEP)] as const);
    let away: unknown;
    // What was taken must be there to be found.
    await this.host.flush().catch((error: unknown) => (away = error));
    for (const [sweep, keys] of taken) {
      const { memory } = sweep;
      memory.sweptAt = this.sweptAt;
      try {
        if (away !== undefined) throw away;
        await sweep.run(keys);
        memory.age();
      } catch (error) {
        away = error;
        this.decideAlone(memory, [...keys, ...sweep.abandon()]);
      }
    }
    if (away !== undefined && !this.isOver) {
      this.warnings.warn(
        'sweep',
        'Detection could not read the audit database: until it can, it finds only what this process records.',
      );
    }
  }

  private decideAlone(memory: DetectionMemory, keys: readonly DirtyKey[]): void {
    // Which tenant is a user's usual one, only the store knows.
    if (!memory.detection.acrossTenants && !this.isOver) {
      for (const { finding } of keys) if (finding && !memory.isKnown(finding)) this.report(memory, finding);
    }
    memory.giveBack(keys);
  }

  private report(memory: DetectionMemory, finding: Finding): void {
    memory.noteFinding(finding);
    if (this.crossings.peek(crossingOf(finding))) return;
    this.crossings.set(crossingOf(finding), true);
    this.host.report(finding);
  }
}
