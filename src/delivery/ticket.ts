import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { SourceNumber } from '../event/sequence-set.js';
import type { Intent } from '../journal/intents.js';
import type { Place } from '../journal/segment.js';

/** An event that was entered: hand it back to `Delivery.release` when its answer has left. */
export class Ticket {
  /** Where its line is; `undefined` where only memory has it. */
  written: Place | undefined = undefined;
  numbered: SourceNumber | undefined = undefined;
  /** It is settled: it may be stored, and can't be amended any more. */
  released = false;
  /** It was handed over, and announced, by `Delivery.commit()` before its answer left. */
  committed = false;
  /** Of whoever waits for it. */
  onStored: (() => void) | undefined = undefined;
  /** What it takes of the room in memory, about, in UTF-16 code units; 0 where a file has it. */
  size = 0;
  readonly since = performance.now();

  constructor(
    public event: AuditLogEvent,
    /** The journal's, which its intent has as well. */
    public number: number,
    /** What its line takes the place of in the journal. */
    public intent: Intent | undefined,
  ) {}
}
