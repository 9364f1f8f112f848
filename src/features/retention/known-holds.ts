import { timestampOf } from '../../event/event-id.js';
import { MOST_HOLDS } from './removal-record.js';
import type { RetentionRepository } from './retention.repository.js';
import { saidOfHolds } from './hold-events.js';
import type { LegalHold } from './hold-events.js';
import type { RecordedLog } from './recorded-trust.js';

/**
 * How much the clocks of two processes may differ, and how long a hold may take until others see it: a removal of that time may or may
 * not know of it.
 */
const SLACK_MS = 600_000;

/** The legal holds that are to be believed, and when each was in force. */
export class KnownHolds {
  private constructor(
    private readonly placed: ReadonlyMap<string, LegalHold>,
    private readonly lifted: ReadonlyMap<string, number>,
  ) {}

  /** Reads all of them, and tells of the events that are not to be believed. */
  static async read(retention: RetentionRepository, { problems, trust }: RecordedLog): Promise<KnownHolds> {
    const placed = new Map<string, LegalHold>();
    const lifted = new Map<string, number>();
    for await (const { id, verb, doubt, hold, liftedId } of saidOfHolds(retention, trust)) {
      if (doubt !== undefined) {
        problems.add({
          code: 'hold_untrusted',
          eventId: id,
          message: `Event ${id} says that a legal hold was ${verb}, and ${doubt}. It counts for nothing.`,
        });
      } else if (hold) placed.set(id, hold);
      else lifted.set(liftedId!, Math.min(timestampOf(id), lifted.get(liftedId!) ?? Infinity));
    }
    return new KnownHolds(placed, lifted);
  }

  /**
   * A hold that was in force when the event of a removal was made, and that the removal did not know of: somebody had taken its event
   * away for the time of the removal.
   *
   * @param known ids of the holds that the removal says it knew
   */
  unknownTo(removalId: string, tenantId: string, known: readonly string[]): string | undefined {
    // It names no more.
    if (known.length >= MOST_HOLDS) return undefined;
    const at = timestampOf(removalId);
    for (const [id, hold] of this.placed) {
      const isOnTenant = (hold.tenantId ?? tenantId) === tenantId;
      const isInForce = timestampOf(id) + SLACK_MS < at && at + SLACK_MS < (this.lifted.get(id) ?? Infinity);
      if (isOnTenant && isInForce && !known.includes(id)) return id;
    }
    return undefined;
  }
}
