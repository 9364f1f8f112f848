import { AuditError } from '../event/audit-error.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { raise } from '../event/raised-event.js';
import type { DatabaseThread } from '../delivery/thread/database-thread.js';
import type { AuditRecorder } from '../recorder/audit-recorder.js';
import type { LogSealer } from '../sealer/log-sealer.js';
import type { AuditDatabase } from '../store/audit-database.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import { areTablesMissing } from '../store/store-error.js';
import { LOG_REPLACED } from './raised-events.js';

/** The rooms that have to do with a log that was replaced. */
interface WatchedRooms {
  readonly database: AuditDatabase;
  readonly events: AuditEventRepository;
  readonly recorder: AuditRecorder;
  readonly sealer: LogSealer;
  readonly thread: DatabaseThread | undefined;
  /** Absent where no key names the log. */
  readonly authority: { readonly origin: string } | undefined;
}

/** Watches which log is in the database: somebody may remove the evidence while the process runs. */
export class LogWatch {
  /** Of the log that was seen last. */
  private logId: string | undefined;
  /** One look after another, since each compares with the one before. */
  private looking: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly rooms: WatchedRooms,
    private readonly logger: AuditLogger,
  ) {}

  /** Something could not be stored or sealed: perhaps since the log is not there any more. */
  noteFailure(error: unknown): void {
    const isBroken = error instanceof AuditError && error.code === 'AUDIT_LEDGER_BROKEN';
    if (!isBroken && !areTablesMissing(error)) return;
    void this.rooms.database
      .renew()
      .then(() => this.look())
      .catch(() => undefined);
  }

  /**
   * Looks which log is in the database. Where it is not the one before, an event says so, and sealing goes on in a log of another
   * origin: what is signed never contradicts what was signed.
   *
   * @param isAgain the database was connected again: connections of before may be of no use
   */
  look(isAgain = false): Promise<void> {
    const look = this.looking.then(() => this.lookNow(isAgain));
    this.looking = look.catch(() => undefined);
    return look;
  }

  private async lookNow(isAgain: boolean): Promise<void> {
    const { events, sealer, recorder, thread, authority } = this.rooms;
    const before = this.logId;
    const id = (this.logId = await events.setting('ledger_id'));
    const isOther = before !== undefined && before !== id;
    const origin = isOther && authority ? `${authority.origin}/${id}` : undefined;
    if (isOther) {
      const last = sealer.lastSeen;
      this.logger.error(
        `The audit log ${before} is gone from the database, and ${id} is there in its place: somebody may have removed the evidence. The event audit.log-replaced tells of it, with the last checkpoint that this process knows.`,
      );
      recorder.record(
        raise(LOG_REPLACED, {
          log: id,
          previousLog: before,
          ...(last && { previousSize: last.treeSize, previousRoot: last.rootHash.toString('base64') }),
        }),
      );
      sealer.beginAgain(origin);
    }
    if (isOther || isAgain) thread?.renew(origin);
  }
}
