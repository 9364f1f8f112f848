// The tables of the core, as TypeORM sees them: for an application's own read-only use of them and for TypeORM's CLI. The repositories
// name tables and columns by themselves, so that they work on a data source that does not know these entities. All tables but
// the lease are only ever inserted into.
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { TEXT_LIMITS } from '../event/safe-text.js';
import { codeColumn, ID_COLUMN } from './stored-column.js';

/**
 * One row of `audit_events`. Text columns compare byte by byte on every database (see the migration), so `Acme` and
 * `acme` are two tenants everywhere.
 */
@Entity({ name: 'audit_events' })
export class AuditEventEntity {
  @PrimaryColumn(ID_COLUMN)
  id!: string;

  /** Unix epoch, milliseconds. Drivers answer a bigint as a string where it might not fit a number. */
  @Column({ type: 'bigint' })
  timestamp!: number | string;

  @Column({ name: 'tenant_id', type: 'varchar', length: TEXT_LIMITS.tenantId })
  tenantId!: string;

  @Column({ name: 'user_id', type: 'varchar', length: TEXT_LIMITS.userId, nullable: true })
  userId!: string | null;

  @Column({ type: 'varchar', length: TEXT_LIMITS.action })
  action!: string;

  @Column({ type: 'varchar', length: TEXT_LIMITS.resource })
  resource!: string;

  @Column({ name: 'resource_id', type: 'varchar', length: TEXT_LIMITS.resourceId, nullable: true })
  resourceId!: string | null;

  /** Canonical JSON (RFC 8785), kept as text so that no database rewrites it. */
  @Column({ type: 'text' })
  details!: string;

  @Column({ name: 'ip_address', type: 'varchar', length: TEXT_LIMITS.ipAddress, nullable: true })
  ipAddress!: string | null;

  @Column({ name: 'user_agent', type: 'varchar', length: TEXT_LIMITS.userAgent, nullable: true })
  userAgent!: string | null;

  @Column({ name: 'session_id', type: 'varchar', length: TEXT_LIMITS.sessionId, nullable: true })
  sessionId!: string | null;

  @Column(codeColumn('severity'))
  severity!: string;

  @Column(codeColumn('category'))
  category!: string;

  @Column(codeColumn('outcome'))
  outcome!: string;

  @Column({ name: 'risk_score', type: 'smallint' })
  riskScore!: number;

  /** Canonical JSON (RFC 8785) list of rule ids. */
  @Column({ name: 'compliance_flags', type: 'text' })
  complianceFlags!: string;

  /** Canonical JSON (RFC 8785). */
  @Column({ type: 'text' })
  metadata!: string;

  /** `metadata.source` again, for the index that tells what is missing; `null` on events that are not numbered. */
  @Column({ ...ID_COLUMN, nullable: true })
  source!: string | null;

  /** `metadata.sequence` again. */
  @Column({ type: 'bigint', nullable: true })
  sequence!: number | string | null;
}

/**
 * One row of `audit_settings`: what all processes of an installation must share. Written once by the migration.
 * Holds `cursor_key`, the key that signs paging cursors; whoever learns it can start a page elsewhere in the events
 * that they may read anyway, nothing more.
 */
@Entity({ name: 'audit_settings' })
export class AuditSettingEntity {
  @PrimaryColumn({ type: 'varchar', length: 64 })
  name!: string;

  @Column({ type: 'varchar', length: 255 })
  value!: string;
}

/**
 * One row of `audit_dead_letters`: an event that the database refused alone, such as one with a value that a changed
 * column can't hold. A letter that was replayed stays; its event is in `audit_events` as well.
 */
@Entity({ name: 'audit_dead_letters' })
export class AuditDeadLetterEntity {
  /** The event's own id; where that is no UUID, one that is made from the event. */
  @PrimaryColumn(ID_COLUMN)
  id!: string;

  /** The tenant's id where it is ASCII, else a digest of it: nothing here may be refused as well. */
  @Column({ name: 'tenant_id', type: 'varchar', length: TEXT_LIMITS.tenantId })
  tenantId!: string;

  @Column({ ...ID_COLUMN, nullable: true })
  source!: string | null;

  @Column({ type: 'bigint', nullable: true })
  sequence!: number | string | null;

  /** When it was refused: Unix epoch, milliseconds. */
  @Column({ type: 'bigint' })
  timestamp!: number | string;

  /** What the database said, in ASCII. */
  @Column({ type: 'varchar', length: 1024 })
  reason!: string;

  /** The whole event as JSON in ASCII. `longtext` on MySQL and MariaDB. */
  @Column({ type: 'text' })
  event!: string;

  /** What the process that kept it has signed of the row, as JSON in ASCII; `null` where it has no key. */
  @Column({ type: 'text', nullable: true })
  statement!: string | null;
}

/**
 * One row of `audit_sources`: something that became known of a process that numbers its events. Of a source the newest
 * signed row counts, where there are keys to check it with.
 */
@Entity({ name: 'audit_sources' })
export class AuditSourceEntity {
  /** UUIDv7 of when the row was written, so that the newest sorts last. */
  @PrimaryColumn(ID_COLUMN)
  id!: string;

  @Column(ID_COLUMN)
  source!: string;

  /** `started`, `reached`, `resumed`, `closed` or `abandoned`. */
  @Column({ type: 'varchar', length: 16 })
  kind!: string;

  /** The last sequence that was given away when the row was written; 0 where there was none. */
  @Column({ type: 'bigint' })
  sequence!: number | string;

  /** Unix epoch, milliseconds. */
  @Column({ type: 'bigint' })
  timestamp!: number | string;

  /** JSON that describes the process: where it runs, and what is known of it there. */
  @Column({ type: 'varchar', length: 1024 })
  process!: string;

  /** All of this as a statement that the process has signed; `null` where it had no key, or could not sign. */
  @Column({ type: 'text', nullable: true })
  statement!: string | null;
}

/** One row of `audit_leaves`: the place of an event in the log. */
@Entity({ name: 'audit_leaves' })
export class AuditLeafEntity {
  /** Counted from 0. */
  @PrimaryColumn({ name: 'leaf_index', type: 'bigint' })
  leafIndex!: number | string;

  @Column({ ...ID_COLUMN, name: 'event_id', unique: true })
  eventId!: string;

  /** Whose numbers the leaf accounts for; `null` where its event has none. */
  @Column({ ...ID_COLUMN, nullable: true })
  source!: string | null;

  /** The first of them. */
  @Column({ type: 'bigint', nullable: true })
  sequence!: number | string | null;

  /** The last of them: the same, but where the event tells of a gap. */
  @Column({ type: 'bigint', nullable: true })
  through!: number | string | null;

  /** Base64 of SHA-256(0x00 || canonical JSON of the event) (RFC 6962, section 2.1; RFC 8785). */
  @Column({ name: 'leaf_hash', type: 'varchar', length: 44 })
  leafHash!: string;
}

/** One row of `audit_tiles`: 256 hashes of the tree (C2SP tlog-tiles). Tiles that are not full are not kept. */
@Entity({ name: 'audit_tiles' })
export class AuditTileEntity {
  @PrimaryColumn({ type: 'smallint' })
  level!: number;

  @PrimaryColumn({ name: 'tile_index', type: 'bigint' })
  tileIndex!: number | string;

  /** Base64 of the hash of the whole tile, which is one of the tile above. */
  @Column({ type: 'varchar', length: 44 })
  root!: string;

  /** Base64 of the hashes, one after another. */
  @Column({ type: 'text' })
  hashes!: string;
}

/** One row of `audit_checkpoints`: the head of the log at one size (C2SP tlog-checkpoint). */
@Entity({ name: 'audit_checkpoints' })
export class AuditCheckpointEntity {
  /** Leaves. */
  @PrimaryColumn({ name: 'tree_size', type: 'bigint' })
  treeSize!: number | string;

  /** The size of the checkpoint that it extends. No two extend the same one. */
  @Column({ name: 'previous_size', type: 'bigint', unique: true })
  previousSize!: number | string;

  /** Base64. */
  @Column({ name: 'root_hash', type: 'varchar', length: 44 })
  rootHash!: string;

  /** The signed note; its text and an empty line where it is not signed. */
  @Column({ type: 'text' })
  note!: string;
}

/** One row of `audit_leases`: which process seals. */
@Entity({ name: 'audit_leases' })
export class AuditLeaseEntity {
  @PrimaryColumn({ type: 'varchar', length: 64 })
  name!: string;

  /** Counts each time that the lease is acquired, renewed or released. */
  @Column({ type: 'bigint' })
  term!: number | string;

  /** Empty where nobody has it. */
  @Column({ type: 'varchar', length: 64 })
  holder!: string;
}
