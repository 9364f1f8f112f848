import type { DetectedEvent } from './detection.repository.js';
import { RecentMap } from '../../event/recent-map.js';
import type { ActiveDetection } from './detection-options.js';
import type { KeyWay } from './detections.js';
import type { Finding } from './finding.js';
import { counts, KeyWindow } from './key-window.js';

/** What is dated further ahead than this, which is no clock's inaccuracy, must not end a window before its time. */
export const MOST_AHEAD_MS = 5 * 60_000;

/** A key of which something was recorded since it was last looked up in the store. */
interface Dirty {
  /** Empty where the detection looks at all tenants. */
  readonly tenantId: string;
  readonly key: string;
  /** The earliest of what was recorded: Unix epoch, milliseconds. */
  since: number;
  /** How often something was recorded of it since then. */
  hits: number;
  /** What the memory of this process alone makes of it. */
  finding?: Finding;
}

export interface DirtyKey extends Readonly<Dirty> {
  /** The things that this process saw within the window. */
  readonly things: readonly string[];
}

/** One detection by one kind of key, as far as this process has seen. Keeps at most so many keys. */
export class DetectionMemory {
  private readonly keys: RecentMap<string, KeyWindow>;
  private dirty: RecentMap<string, Dirty>;
  /** When the last finding of a key was. */
  private readonly findings: RecentMap<string, number>;
  private agedAt = performance.now();
  /** When the store was last asked, by the same clock. */
  sweptAt = -Infinity;
  /** The keys that are being looked up, over several sweeps where there is much to read. */
  private open: ReadonlySet<string> = new Set();
  /** The memory alone has a finding: the store is to be asked soon. */
  isUrgent = false;

  constructor(
    readonly detection: ActiveDetection,
    readonly way: KeyWay,
    private readonly maxKeys: number,
  ) {
    this.keys = new RecentMap(maxKeys);
    this.dirty = new RecentMap(maxKeys);
    this.findings = new RecentMap(maxKeys);
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.keys.size;
  }

  /** There is something to look up, or to go on with. */
  get isDirty(): boolean {
    return this.dirty.size > 0 || this.open.size > 0;
  }

  /** @returns what the memory makes of it: a finding where there was none of that key within the window */
  observe(recorded: DetectedEvent): Finding | undefined {
    const { detection, way } = this;
    if (!counts(detection, way, recorded)) return undefined;
    const key = way.keyOf(recorded);
    if (key === undefined) return undefined;
    const event = this.inTime(recorded);
    if (!event) return undefined;
    // What the store was not asked about yet must not be forgotten only because the database is away for long.
    if (!detection.isShared) this.age();
    const tenantId = detection.acrossTenants ? '' : event.tenantId;
    const make = () => new KeyWindow(detection, way, tenantId, key);
    const window = this.keys.getOrMake(nameOf(tenantId, key), make);
    const { isNew, reachedAt } = window.add(event);
    const dirty = isNew && detection.isShared ? this.mark(tenantId, key, event.timestamp, 1) : undefined;
    if (reachedAt === undefined || this.isKnown({ tenantId, key, lastAt: reachedAt })) return undefined;
    if (dirty?.finding && !this.isKnown(dirty.finding)) return dirty.finding;
    const finding = window.finding(reachedAt);
    if (dirty) {
      dirty.finding = finding;
      this.isUrgent = true;
    }
    return finding;
  }

  /** Whether there is a finding of the key less than a window before or after this one. */
  isKnown({ tenantId, key, lastAt }: Pick<Finding, 'tenantId' | 'key' | 'lastAt'>): boolean {
    const known = this.findings.peek(nameOf(tenantId, key));
    return known !== undefined && Math.abs(lastAt - known) < this.detection.windowMs;
  }

  noteFinding({ tenantId, key, lastAt }: Finding): void {
    this.findings.set(nameOf(tenantId, key), lastAt);
  }

  /**
   * The keys to look up now, the busiest first, and with those that are being looked up no more than the limit. They count
   * as looked up unless they are {@link giveBack given back}.
   */
  dirtyKeys(limit: number): DirtyKey[] {
    const dirty = [...this.dirty.values()].sort(
      (a, b) => Number(b.finding !== undefined) - Number(a.finding !== undefined) || b.hits - a.hits,
    );
    const taken: DirtyKey[] = [];
    const left: [name: string, Dirty][] = [];
    for (const one of dirty) {
      const name = nameOf(one.tenantId, one.key);
      // What a key did while it is being looked up is looked up next.
      if (this.open.has(name) || taken.length + this.open.size >= limit) left.push([name, one]);
      else taken.push({ ...one, things: this.keys.peek(name)?.things ?? [] });
    }
    this.dirty = new RecentMap(this.maxKeys);
    // The busiest last: they are forgotten last.
    for (const [name, one] of left.reverse()) this.dirty.set(name, one);
    this.isUrgent = false;
    return taken;
  }

  /** Of these keys not everything was read yet. */
  goOnWith(keys: readonly DirtyKey[]): void {
    this.open = new Set(keys.map(({ tenantId, key }) => nameOf(tenantId, key)));
  }

  /** These keys are to be looked up from the start, as urgently as before; no other is being looked up any more. */
  giveBack(keys: readonly DirtyKey[]): void {
    this.open = new Set();
    for (const { tenantId, key, since, hits, finding } of keys) {
      const dirty = this.mark(tenantId, key, since, hits);
      if (finding && !this.isKnown(finding)) dirty.finding ??= finding;
    }
  }

  /** Forgets keys of which nothing was recorded for longer than the window. */
  age(): void {
    const now = performance.now();
    if (now - this.agedAt < this.detection.windowMs) return;
    this.agedAt = now;
    this.keys.age();
    this.findings.age();
  }

  /** The event at a time that can be: by the store alone it is found once that time has come. */
  private inTime(event: DetectedEvent): DetectedEvent | undefined {
    const now = Date.now();
    if (event.timestamp <= now + MOST_AHEAD_MS) return event;
    return this.detection.isShared ? undefined : { ...event, timestamp: now };
  }

  private mark(tenantId: string, key: string, since: number, hits: number): Dirty {
    const make = () => ({ tenantId, key, since, hits: 0 });
    const dirty: Dirty = this.dirty.getOrMake(nameOf(tenantId, key), make);
    dirty.since = Math.min(dirty.since, since);
    dirty.hits += hits;
    return dirty;
  }
}

function nameOf(tenantId: string, key: string): string {
  // No tenant's id has a control character.
  return `${tenantId}\n${key}`;
}
