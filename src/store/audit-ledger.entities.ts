import { Column, Entity, PrimaryColumn } from 'typeorm';
import { ID_COLUMN } from './stored-column.js';

// The tables of the Merkle log, as TypeORM sees them. All but the lease are only ever inserted into.

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
