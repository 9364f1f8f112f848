import type { DetectionQuery, DetectionRepository } from './detection.repository.js';
import type { RecentMap } from '../../event/recent-map.js';
import type { KeyWay } from './detections.js';
import type { Finding } from './finding.js';
import { crossingOf, findingId } from './finding.js';
import { inForeignTenant, usersElsewhere } from './foreign-tenants.js';
import type { Portion } from './foreign-tenants.js';
import { counts, KeyWindow, leastOf } from './key-window.js';
import { isNetwork, textsOf } from './network.js';
import { MOST_AHEAD_MS } from './detection-memory.js';
import type { DirtyKey, DetectionMemory } from './detection-memory.js';

/** Keys that one statement asks for. */
const KEYS_AT_ONCE = 100;
/** Events that are read at a time. */
const PAGE = 500;
/** Events of one detection by one kind of key that a sweep reads, or a page more. */
export const MAX_EVENTS = 200_000;
/** What is older when it arrives is not looked at any more. */
const MAX_LATE_MS = 7 * 86_400_000;

/** Keys whose events are being read, in the order of ids: each event once, however many sweeps it takes. */
interface Reading {
  readonly query: DetectionQuery;
  readonly windows: ReadonlyMap<string, { readonly dirty: DirtyKey; readonly window: KeyWindow }>;
  /** The last event that was read. */
  after: string;
}

/**
 * Decides from what all processes have stored. Every process looks up the keys of which it has recorded something itself,
 * once that is stored: so the last one to store sees everything. Each finds the same event to have reached the
 * threshold, and gives the finding the same id.
 */
export class Sweep {
  /** What is not at its end yet. */
  private readings: Reading[] = [];

  constructor(
    readonly memory: DetectionMemory,
    private readonly repository: DetectionRepository,
    private readonly store: (finding: Finding, id: string) => Promise<void>,
    private readonly crossings: RecentMap<string, true>,
    private readonly maxEvents = MAX_EVENTS,
  ) {}

  /**
   * Reads no more than so many events, by turns; where that is not all, the next run goes on where this one stopped.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; what was found until then is stored, the rest is to be {@link abandon abandoned}
   */
  async run(dirty: readonly DirtyKey[]): Promise<void> {
    const { detection, way } = this.memory;
    const portions = detection.acrossTenants
      ? usersElsewhere(this.repository, detection, dirty)
      : byTenant(dirty, way.column === undefined ? Infinity : KEYS_AT_ONCE);
    for await (const portion of portions) {
      const reading = await this.begin(portion);
      if (reading) this.readings.push(reading);
    }
    let left = this.maxEvents;
    while (left > 0 && this.readings.length > 0) {
      const reading = this.readings[0]!;
      const count = await this.readPage(reading);
      left -= count;
      this.readings.shift();
      if (count === PAGE) this.readings.push(reading);
    }
    this.memory.goOnWith(keysOf(this.readings));
  }

  /** Forgets how far it has read. @returns the keys that are to be looked up from the start */
  abandon(): DirtyKey[] {
    return keysOf(this.readings.splice(0));
  }

  private async begin({ tenantIds, keys }: Portion): Promise<Reading | undefined> {
    const { detection, way } = this.memory;
    // Two windows: what reached the threshold in the second of them is seen with all that counted for it.
    const earliest = Math.min(...keys.map(({ since }) => since));
    const query = {
      tenantIds,
      any: [...(way.any ?? detection.any), ...(detection.clinchers ? [detection.clinchers.where] : [])],
      from: Math.max(earliest - 2 * detection.windowMs, Date.now() - MAX_LATE_MS),
    };
    const wanted = await this.busy({ ...query, to: Date.now() + MOST_AHEAD_MS }, keys);
    if (wanted.length === 0) return undefined;
    const windows = new Map(
      wanted.map((dirty) => [
        dirty.key,
        { dirty, window: new KeyWindow(detection, way, dirty.tenantId, dirty.key) },
      ]),
    );
    return { query: { ...query, ...columnKeysOf(way, [...windows.keys()]) }, windows, after: '' };
  }

  /** @returns how many events there were; less than a page where there are no more */
  private async readPage(reading: Reading): Promise<number> {
    const { memory, repository } = this;
    const { detection, way } = memory;
    const events = await repository.matching(
      { ...reading.query, to: Date.now() + MOST_AHEAD_MS },
      {
        after: reading.after,
        limit: PAGE,
        facts: [
          ...(detection.measure === 'sum' || way.column === undefined ? (['details'] as const) : []),
          ...(detection.oncePerRequest ? (['metadata'] as const) : []),
        ],
      },
    );
    for (const event of events) {
      const looked = counts(detection, way, event) ? reading.windows.get(way.keyOf(event) ?? '') : undefined;
      if (!looked) continue;
      const { dirty, window } = looked;
      const { reachedAt } = window.add(event);
      if (reachedAt === undefined || reachedAt < dirty.since - detection.windowMs) continue;
      if (memory.isKnown({ ...dirty, lastAt: reachedAt })) continue;
      const reached = window.finding(reachedAt);
      const finding = detection.acrossTenants
        ? await inForeignTenant(repository, reached, window, event)
        : reached;
      if (finding && !memory.isKnown(finding)) await this.decide(finding);
    }
    reading.after = events.at(-1)?.id ?? reading.after;
    return events.length;
  }

  private async decide(finding: Finding): Promise<void> {
    const { memory, repository, crossings } = this;
    const { windowMs } = memory.detection;
    const times = await repository.findingTimes(finding, finding.lastAt - windowMs);
    const known = times.find((time) => Math.abs(finding.lastAt - time) < windowMs);
    if (known === undefined) {
      // By another kind of key it is told of already: the same burst from one address against one account.
      if (!crossings.peek(crossingOf(finding))) await this.store(finding, findingId(finding));
      crossings.set(crossingOf(finding), true);
    }
    memory.noteFinding({ ...finding, lastAt: known ?? finding.lastAt });
  }

  /** Of the keys those that can have reached the threshold at all, where the database can count them. */
  private async busy(
    query: Omit<DetectionQuery, 'keys'>,
    keys: readonly DirtyKey[],
  ): Promise<readonly DirtyKey[]> {
    const { detection, way } = this.memory;
    if (!way.column || detection.measure === 'sum' || detection.acrossTenants) return keys;
    // Of a network the database can't count the addresses together.
    const values = keys.map(({ key }) => key).filter((key) => !isNetworkOf(way, key));
    if (values.length === 0) return keys;
    const busy = new Set(
      await this.repository.keysReaching(
        { ...query, keys: { column: way.column, values } },
        leastOf(detection),
        detection.measure === 'distinct',
      ),
    );
    return keys.filter(({ key }) => isNetworkOf(way, key) || busy.has(key));
  }
}

function keysOf(readings: readonly Reading[]): DirtyKey[] {
  return readings.flatMap(({ windows }) => Array.from(windows.values(), ({ dirty }) => dirty));
}

/** Where the keys are in their column, if they are in any. */
function columnKeysOf(way: KeyWay, keys: readonly string[]): Pick<DetectionQuery, 'keys'> {
  if (!way.column) return {};
  const values = keys.filter((key) => !isNetworkOf(way, key));
  const ranges = keys.filter((key) => isNetworkOf(way, key)).map(textsOf);
  return { keys: { column: way.column, values, ranges } };
}

/** A user's id may look like a network. */
function isNetworkOf({ by }: KeyWay, key: string): boolean {
  return by === 'address' && isNetwork(key);
}

function* byTenant(dirty: readonly DirtyKey[], atOnce: number): Generator<Portion> {
  const tenants = new Map<string, DirtyKey[]>();
  for (const key of dirty) {
    const keys = tenants.get(key.tenantId);
    if (keys) keys.push(key);
    else tenants.set(key.tenantId, [key]);
  }
  for (const [tenantId, keys] of tenants) {
    for (let index = 0; index < keys.length; index += atOnce) {
      yield { tenantIds: [tenantId], keys: keys.slice(index, index + atOnce) };
    }
  }
}
