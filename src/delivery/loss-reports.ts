import type { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { JournalLoss } from '../journal/damage.js';
import type { BegunRequest, DroppedNumbers } from '../journal/journal-line.js';
import type { EventLog } from './event-log.js';

/** How often the journal is told of events that it has no room for. */
const DROPPED_NOTE_MS = 1_000;

/** Events that the delivery makes itself, of what became of others. */
export interface DeliveryReports {
  dropped(dropped: DroppedNumbers): AuditLogEvent;
  lost(loss: JournalLoss): AuditLogEvent;
  /** @param begun what was known of the request, as it was given to `Delivery.begin()` */
  interrupted(begun: BegunRequest): AuditLogEvent;
}

/** Events that were lost: dropped without room, or damaged in the journal. Each loss becomes an event of its own. */
export class LossReports {
  dropped = 0;
  /** By source. */
  private readonly unreported = new Map<string, DroppedNumbers>();
  private notedAt = -Infinity;
  /** The places of damage that is reported: each reader that begins comes by it. */
  private readonly reported = new Set<string>();

  constructor(
    private readonly log: EventLog,
    private readonly reports: DeliveryReports,
    private readonly warnings: RateLimitedLog,
  ) {}

  drop(): void {
    const { source, sequence } = this.log.skipSequence();
    this.dropped += 1;
    const { count, firstSequence } = this.unreported.get(source) ?? { count: 0, firstSequence: sequence };
    const dropped = { source, count: count + 1, firstSequence, lastSequence: sequence };
    this.unreported.set(source, dropped);
    if (performance.now() - this.notedAt < DROPPED_NOTE_MS) return;
    this.notedAt = performance.now();
    this.log.noteDropped(dropped);
  }

  /** There is room again. @returns whether there was something to report */
  reportDropped(): boolean {
    const all = [...this.unreported.values()];
    this.unreported.clear();
    for (const dropped of all) this.reportDrop(dropped);
    return all.length > 0;
  }

  reportDrop(dropped: DroppedNumbers): void {
    this.log.release(this.log.enter(this.reports.dropped(dropped)));
    this.log.noteDropsReported();
  }

  /** Lines of the journal are damaged. */
  reportLoss(loss: JournalLoss): void {
    const { source, file, place, lines, firstSequence, lastSequence } = loss;
    const key = `${place.segment} ${place.position}`;
    if (this.reported.has(key)) return;
    this.reported.add(key);
    const which = firstSequence
      ? `the sequences ${firstSequence} to ${lastSequence} of the source ${source}`
      : 'no event';
    this.warnings.error(
      'loss',
      `The audit journal ${file} is damaged in ${lines} line(s), which held ${which}. All else in it is kept.`,
    );
    this.log.release(this.log.enter(this.reports.lost(loss)));
    this.log.noteReported(loss);
  }
}
