import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { LedgerFormatError } from '../../ledger/format-error.js';
import { LeafSet, openRemoval } from '../../ledger/removal-record.js';
import { REMOVAL_ACTION } from '../../store/retention.repository.js';
import type { LedgerRepository } from '../../store/ledger.repository.js';
import type { RetentionRepository } from '../../store/retention.repository.js';
import type { Trust } from './checkpoint-walk.js';
import type { ProblemList } from './problem-list.js';

/** Of which leaves the events were removed by retention, as signed records say. */
export class RecordedRemovals {
  private readonly leaves = new LeafSet();
  private readonly seen = new Set<string>();

  constructor(
    private readonly ledger: LedgerRepository,
    private readonly retention: RetentionRepository,
    private readonly problems: ProblemList,
    private readonly trust: Trust,
  ) {}

  has(leafIndex: number): boolean {
    return this.leaves.has(leafIndex);
  }

  /** Reads the records; again, those that came since. */
  async load(): Promise<void> {
    for (const event of await this.retention.own([REMOVAL_ACTION])) {
      if (this.seen.has(event.id)) continue;
      this.seen.add(event.id);
      await this.take(event);
    }
  }

  private async take({ id, details }: AuditLogEvent): Promise<void> {
    const { verifiers, origin, unsignedUntil } = this.trust;
    let wrong: string | undefined;
    try {
      const removal = openRemoval(details['record'], verifiers);
      if (removal.eventId !== id) wrong = `is that of event ${removal.eventId}`;
      else if (verifiers.length > 0 && !removal.isTrusted && !(await this.ledger.leafOf(id, unsignedUntil))) {
        // Like a checkpoint, it may be from before the first key.
        wrong = 'has no signature by a trusted key';
      } else if (origin !== undefined && removal.origin !== origin) {
        wrong = `is of the log ${removal.origin}, not of ${origin}`;
      } else this.leaves.add(removal.leaves);
    } catch (error) {
      if (!(error instanceof LedgerFormatError)) throw error;
      wrong = `can't be read: ${error.message.replace(/\.$/, '')}`;
    }
    if (wrong === undefined) return;
    this.problems.add({
      code: 'removal_untrusted',
      eventId: id,
      message: `Event ${id} says that events were removed, and its record ${wrong}.`,
    });
  }
}
