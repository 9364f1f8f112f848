// The tables of the core: what the migration makes, the repositories write and read, and TypeORM sees, which an application may use to
// read and its command line does. The repositories name tables by themselves, so that they work on a data source that does not know
// these entities. All tables but the lease are only ever inserted into.
import { Entity } from 'typeorm';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { TEXT_LIMITS } from '../event/safe-text.js';
import { bigint, code, id, json, key, longText, nullable, rowOf, smallint, text, unique } from './columns.js';
import type { Column, RecordOf } from './columns.js';

/** Base64 of 32 bytes. */
const HASH = 44;

/** What `audit_events` has of an event, in the order in which rows are written. */
export const EVENT = {
  id: key(id),
  /** Unix epoch, milliseconds. */
  timestamp: bigint,
  tenantId: text(TEXT_LIMITS.tenantId),
  userId: nullable(text(TEXT_LIMITS.userId)),
  action: text(TEXT_LIMITS.action),
  resource: text(TEXT_LIMITS.resource),
  resourceId: nullable(text(TEXT_LIMITS.resourceId)),
  /** Canonical JSON (RFC 8785). */
  details: json('{'),
  ipAddress: nullable(text(TEXT_LIMITS.ipAddress)),
  userAgent: nullable(text(TEXT_LIMITS.userAgent)),
  sessionId: nullable(text(TEXT_LIMITS.sessionId)),
  severity: code('severity'),
  category: code('category'),
  outcome: code('outcome'),
  riskScore: smallint,
  /** Canonical JSON (RFC 8785) list of rule ids. */
  complianceFlags: json('['),
  /** Canonical JSON (RFC 8785). */
  metadata: json('{'),
} satisfies Record<keyof AuditLogEvent, Column>;

/** All columns of `audit_events`. */
export const EVENT_ROW = {
  ...EVENT,
  /** `metadata.source` again, for the index that tells what is missing; `null` on events that are not numbered. */
  source: nullable(id),
  /** `metadata.sequence` again. */
  sequence: nullable(bigint),
};

/** One row of `audit_events`. */
@Entity({ name: 'audit_events' })
export class AuditEventEntity extends rowOf(EVENT_ROW) {}

export const SETTING = { name: key(text(64)), value: text(255) };

/**
 * One row of `audit_settings`: what all processes of an installation must share. Written once by the migration.
 * Holds `cursor_key`, the key that signs paging cursors; whoever learns it can start a page elsewhere in the events
 * that they may read anyway, nothing more.
 */
@Entity({ name: 'audit_settings' })
export class AuditSettingEntity extends rowOf(SETTING) {}

/** Bytes of the text of an event, in ASCII: more than any event of the library has. */
const MAX_LETTER_EVENT = 1024 * 1024;

export const LETTER = {
  /** The event's own id; where that is no UUID, one that is made from the event. */
  id: key(id),
  /** The tenant's id where it is ASCII, else a digest of it: nothing here may be refused as well. */
  tenantId: text(TEXT_LIMITS.tenantId),
  source: nullable(id),
  sequence: nullable(bigint),
  /** When it was refused: Unix epoch, milliseconds. */
  timestamp: bigint,
  /** What the database said, in ASCII. */
  reason: text(1_024),
  /** The whole event as JSON in ASCII. */
  event: longText(MAX_LETTER_EVENT),
  /** What the process that kept it has signed of the row, as JSON in ASCII; `null` where it has no key. */
  statement: nullable(longText(16_384)),
};

/**
 * One row of `audit_dead_letters`: an event that the database refused alone, such as one with a value that a changed
 * column can't hold. A letter that was replayed stays; its event is in `audit_events` as well.
 */
@Entity({ name: 'audit_dead_letters' })
export class AuditDeadLetterEntity extends rowOf(LETTER) {}

export const NOTE = {
  /** UUIDv7 of when the row was written, so that the newest sorts last. */
  id: key(id),
  source: id,
  /** `started`, `reached`, `resumed`, `closed` or `abandoned`. */
  kind: text(16),
  /** The last sequence that was given away when the row was written; 0 where there was none. */
  sequence: bigint,
  /** Unix epoch, milliseconds. */
  timestamp: bigint,
  /** JSON that describes the process, in printable ASCII: where it runs, and what is known of it there. */
  process: { ...text(1_024), most: 1_024 },
  /** All of this as a statement that the process has signed; `null` where it had no key, or could not sign. */
  statement: nullable(longText(8_192)),
};

/**
 * One row of `audit_sources`: something that became known of a process that numbers its events. Of a source the newest
 * signed row counts, where there are keys to check it with.
 */
@Entity({ name: 'audit_sources' })
export class AuditSourceEntity extends rowOf(NOTE) {}

export type StoredLeaf = RecordOf<typeof LEAF>;
export const LEAF = {
  /** Counted from 0. */
  leafIndex: key(bigint),
  eventId: unique(id),
  /** Whose numbers the leaf accounts for; `null` where its event has none. */
  source: nullable(id),
  /** The first of them. */
  sequence: nullable(bigint),
  /** The last of them: the same, but where the event tells of a gap. */
  through: nullable(bigint),
  /** Base64 of SHA-256(0x00 || canonical JSON of the event) (RFC 6962, section 2.1; RFC 8785). */
  leafHash: text(HASH),
};

/** One row of `audit_leaves`: the place of an event in the log. */
@Entity({ name: 'audit_leaves' })
export class AuditLeafEntity extends rowOf(LEAF) {}

export type StoredTile = RecordOf<typeof TILE>;
export const TILE = {
  level: key(smallint),
  tileIndex: key(bigint),
  /** Base64 of the hash of the whole tile, which is one of the tile above. */
  root: text(HASH),
  /** Base64 of the hashes, one after another. */
  hashes: longText(16_384),
};

/** One row of `audit_tiles`: 256 hashes of the tree (C2SP tlog-tiles). Tiles that are not full are not kept. */
@Entity({ name: 'audit_tiles' })
export class AuditTileEntity extends rowOf(TILE) {}

export type StoredCheckpoint = RecordOf<typeof CHECKPOINT>;
export const CHECKPOINT = {
  /** Leaves. */
  treeSize: key(bigint),
  /** The size of the checkpoint that it extends. No two extend the same one: this is what keeps the log from forking. */
  previousSize: unique(bigint),
  /** Base64. */
  rootHash: text(HASH),
  /** The signed note; its text and an empty line where it is not signed. */
  note: longText(16_384),
};

/** One row of `audit_checkpoints`: the head of the log at one size (C2SP tlog-checkpoint). */
@Entity({ name: 'audit_checkpoints' })
export class AuditCheckpointEntity extends rowOf(CHECKPOINT) {}

export const LEASE = {
  name: key(text(64)),
  /** Counts each time that the lease is acquired, renewed or released. */
  term: bigint,
  /** Empty where nobody has it. */
  holder: text(64),
};

/** One row of `audit_leases`: which process seals. */
@Entity({ name: 'audit_leases' })
export class AuditLeaseEntity extends rowOf(LEASE) {}
