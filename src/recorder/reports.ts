import type { DeliveryReports } from '../delivery/loss-reports.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { raise } from '../event/raised-event.js';
import type { NumberRange } from '../event/sequence-set.js';
import type { EventCompleter } from './event-completer.js';
import type { Listeners } from './listeners.js';
import { DROP, GAP, LOST_LINES } from './raised-events.js';

/** Makes the events that tell what became of others. Delivery and the sealer store them. */
export class Reports implements DeliveryReports {
  constructor(
    private readonly completer: EventCompleter,
    private readonly listeners: Listeners,
  ) {}

  readonly dropped: DeliveryReports['dropped'] = ({ source, count, firstSequence, lastSequence }) =>
    this.announced(
      this.completer.complete(raise(DROP, { dropped: count, source, firstSequence, lastSequence })),
    );

  readonly lost: DeliveryReports['lost'] = ({ place: _place, ...loss }) =>
    this.announced(this.completer.complete(raise(LOST_LINES, loss)));

  /** The event is redacted already. */
  readonly interrupted: DeliveryReports['interrupted'] = (begun) => {
    const { blockedBy, ...known } = begun;
    const event = { ...known, riskScore: 0, complianceFlags: known.complianceFlags ?? [] };
    return this.announced(this.completer.judge(event, { blockedBy }));
  };

  /** The sealer announces this one once it is stored. */
  readonly gap = (gap: NumberRange): AuditLogEvent => this.completer.complete(raise(GAP, { ...gap }));

  private announced(event: AuditLogEvent): AuditLogEvent {
    this.listeners.announceSoon(event);
    return event;
  }
}
