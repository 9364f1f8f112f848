import { firstIdOf } from '../../event/event-id.js';
import { RecentTimes } from '../../event/recent-times.js';
import type { DetectedEvent } from './detection.repository.js';
import type { ActiveDetection } from './detection-options.js';
import { meets } from './detections.js';
import type { KeyWay } from './detections.js';
import type { Finding } from './finding.js';
import { MAX_EVENT_IDS } from './finding.js';
import { RequestPairs } from './request-pairs.js';
import { SumTally, ThingTally } from './tally.js';
import type { Tally } from './tally.js';

/** What came of one event. */
export interface Observed {
  /** It may bring the key nearer to a finding; without it, nothing has changed. */
  readonly isNew: boolean;
  /** When the threshold was reached, by this event or one before it; {@link KeyWindow.finding} has the rest. */
  readonly reachedAt?: number;
}

/**
 * One key of a detection: what it did lately, and whether that is a finding. The same for events as they are recorded
 * and for those that the store has. Its size is bounded by the threshold.
 */
export class KeyWindow {
  private readonly tally: Tally;
  private readonly pairs: RequestPairs | undefined;
  /** Of the events that counted, in the order in which they came. */
  private ids: string[] = [];

  constructor(
    private readonly detection: ActiveDetection,
    private readonly way: KeyWay,
    readonly tenantId: string,
    readonly key: string,
  ) {
    this.tally = tallyOf(detection);
    if (detection.oncePerRequest) this.pairs = new RequestPairs(detection.threshold, detection.windowMs);
  }

  /** The different things within the window; empty where something else is counted. */
  get things(): string[] {
    return this.tally instanceof ThingTally ? this.tally.things : [];
  }

  /** @param event one that counts or clinches, see {@link counts} */
  add(event: DetectedEvent): Observed {
    const { detection, tally } = this;
    const clinches = detection.clinchers !== undefined && !meetsAny(detection, this.way, event);
    if (!clinches && this.pairs?.isSecond(event)) return { isNew: false };
    const isNew =
      clinches ||
      tally.add(
        event.timestamp,
        detection.weigh?.(event, detection.volumeKeys) ?? 1,
        detection.thingOf?.(event) ?? '',
        event.id,
      ) !== false;
    if (!isNew) return { isNew };
    this.ids.push(event.id);
    if (this.ids.length > 2 * MAX_EVENT_IDS) this.ids = this.ids.slice(-MAX_EVENT_IDS);
    const lastAt = Math.max(event.timestamp, tally.last ?? 0);
    const count = tally.within(lastAt);
    const least = clinches ? leastOf(detection) : detection.threshold;
    return count < least ? { isNew } : { isNew, reachedAt: lastAt };
  }

  /** What there is to say at the time at which the threshold was reached. */
  finding(lastAt: number): Finding {
    const { name, severity, windowSeconds } = this.detection;
    const firstAt = this.tally.first ?? lastAt;
    const firstId = firstIdOf(firstAt);
    return {
      detection: name,
      by: this.way.by,
      key: this.key,
      tenantId: this.tenantId,
      severity,
      count: this.tally.within(lastAt),
      windowSeconds,
      firstAt,
      lastAt,
      eventIds: (this.tally instanceof ThingTally ? this.tally.ids : this.ids)
        .filter((id) => id >= firstId)
        .slice(-MAX_EVENT_IDS),
    };
  }
}

/** Whether the detection has to do with the event at all. */
export function counts(detection: ActiveDetection, way: KeyWay, event: DetectedEvent): boolean {
  if (meetsAny(detection, way, event)) {
    return !detection.weigh || detection.weigh(event, detection.volumeKeys) > 0;
  }
  const { clinchers } = detection;
  return clinchers !== undefined && clinchers.action.test(event.action) && meets(event, clinchers.where);
}

/** The least that can be a finding. */
export function leastOf({ threshold, clinchers }: ActiveDetection): number {
  return clinchers ? Math.ceil(threshold / 2) : threshold;
}

function meetsAny(detection: ActiveDetection, way: KeyWay, event: DetectedEvent): boolean {
  for (const condition of way.any ?? detection.any) if (meets(event, condition)) return true;
  return false;
}

function tallyOf({ measure, threshold, windowMs }: ActiveDetection): Tally {
  if (measure === 'events') return new RecentTimes(threshold, windowMs);
  return measure === 'distinct' ? new ThingTally(threshold, windowMs) : new SumTally(windowMs);
}
