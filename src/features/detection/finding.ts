import type { AuditEventInput } from '../../event/audit-event-input.js';
import type { AuditSeverity } from '../../event/audit-log-event.js';
import { derivedEventId } from '../../event/event-id.js';
import { raise } from '../../event/raised-event.js';
import type { DetectionKey } from './detections.js';
import { isNetwork } from './network.js';
import { FINDING } from './raised-events.js';

/** Somebody did too much of something within a window. */
export interface Finding {
  /** Which detection, `brute-force`. */
  readonly detection: string;
  readonly by: DetectionKey;
  /** The user, the address (of IPv6 the network) or the account. Comes from the events: as trustworthy as theirs. */
  readonly key: string;
  readonly tenantId: string;
  readonly severity: AuditSeverity;
  /** How much there was when the threshold was reached: events, different things, or records. */
  readonly count: number;
  readonly windowSeconds: number;
  /** The earliest and the latest of what counted: Unix epoch, milliseconds. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** The events behind it: the newest, at most 50, the one that reached the threshold last. */
  readonly eventIds: readonly string[];
}

/** Events that a finding names. */
export const MAX_EVENT_IDS = 50;

/**
 * The event that tells of a finding, on its way in. Its time is that of the event which reached the threshold.
 *
 * @param id see {@link findingId}; where it is absent, the recorder makes one
 */
export function findingDraft(finding: Finding, id?: string): AuditEventInput & { readonly id?: string } {
  const { detection, by, key, tenantId, severity, count, windowSeconds, firstAt, lastAt, eventIds } = finding;
  return {
    ...(id !== undefined && { id }),
    ...raise(FINDING, { detection, by, key, count, windowSeconds, firstAt, lastAt, eventIds }),
    timestamp: lastAt,
    tenantId,
    action: `detection.${detection}`,
    severity,
    // An account is what somebody typed, and no user yet.
    ...(by === 'user' && { userId: key }),
    ...(by === 'address' && !isNetwork(key) && { ipAddress: key }),
  };
}

/** What the finding is about, whoever it names: the event that reached the threshold. */
export function crossingOf({ detection, tenantId, eventIds }: Finding): string {
  return JSON.stringify([detection, tenantId, eventIds.at(-1)]);
}

/**
 * The id of a finding's event: two processes that find the same give it the same, and the store keeps one. So it is for an
 * address and an account that reach the threshold with the same event: one burst is one finding.
 */
export function findingId(finding: Finding): string {
  return derivedEventId(finding.lastAt, crossingOf(finding));
}
