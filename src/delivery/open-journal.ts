import { resolve as absolute } from 'node:path';
import type { AuditLogger } from '../event/audit-logger.js';
import { EventJournal } from '../journal/event-journal.js';
import type { DeliveryOptions } from './delivery-options.js';

/**
 * Opens the journal, and says in the log who else may write to it, and what is there that it did not write.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS` where the directory belongs to another process or can't be written to
 */
export async function openJournal(
  { directory, segmentKilobytes, maxJournalMegabytes }: Required<DeliveryOptions>,
  logger: AuditLogger,
): Promise<EventJournal> {
  // Not larger than a part of it all: the segment that is written to is never deleted.
  const segmentBytes = Math.min(segmentKilobytes * 1024, (maxJournalMegabytes * 1024 * 1024) / 4);
  const journal = await EventJournal.open(absolute(directory), segmentBytes);
  const others = journal.lock.whoElseMayWrite();
  if (others !== undefined) {
    logger.warn(
      `The audit journal ${journal.directory} can be written to by ${others}: who writes there can change and invent events. Give the directory to the user of this process alone (chown, chmod 700); in a volume that you can't change, write delivery: { directory } with a directory in it that does not exist yet.`,
    );
  }
  for (const { path, size, oversize } of journal.segments) {
    if (oversize === undefined) continue;
    logger.error(
      `The file ${path} of the audit journal has ${oversize} bytes, more than the journal writes to one. Its first ${size} bytes are read, and the rest is passed over as damage: see who may write there.`,
    );
  }
  return journal;
}
