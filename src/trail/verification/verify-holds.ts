import { HOLD_ACTION, RELEASE_ACTION } from '../../store/retention.repository.js';
import type { RetentionRepository } from '../../store/retention.repository.js';
import type { RecordedTrust } from '../recorded-trust.js';
import { doubtOfHold } from '../retention/hold-events.js';
import type { ProblemList } from './problem-list.js';

/** The events that say of a legal hold that it was placed or lifted, and are not to be believed. */
export async function verifyHolds(
  retention: RetentionRepository,
  problems: ProblemList,
  trust: RecordedTrust,
): Promise<void> {
  for await (const events of retention.own([HOLD_ACTION, RELEASE_ACTION])) {
    for (const event of events) {
      const doubt = await doubtOfHold(event, trust);
      if (doubt === undefined) continue;
      problems.add({
        code: 'hold_untrusted',
        eventId: event.id,
        message: `Event ${event.id} says that a legal hold was ${event.action === HOLD_ACTION ? 'placed' : 'lifted'}, and ${doubt}. It counts for nothing.`,
      });
    }
  }
}
