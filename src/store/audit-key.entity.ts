import { Column, Entity, PrimaryColumn } from 'typeorm';

/**
 * One row of `audit_keys`, as TypeORM sees it: a data key of one person in one tenant, wrapped by a master key. The one
 * table whose rows change: erasure empties `wrapped`, and a new master key wraps it anew.
 */
@Entity({ name: 'audit_keys' })
export class AuditKeyEntity {
  /** Keyed digest of tenant and person, so that the table names nobody; `index` for the key of that digest. */
  @PrimaryColumn({ type: 'varchar', length: 64 })
  subject!: string;

  /** Counts the keys of a person, from 1. */
  @PrimaryColumn({ type: 'bigint' })
  generation!: number | string;

  /** UUIDv7; what events name. */
  @Column({ type: 'varchar', length: 36, unique: true })
  id!: string;

  @Column({ type: 'varchar', length: 128, name: 'tenant_id' })
  tenantId!: string;

  /** Base64; empty once the key is destroyed. */
  @Column({ type: 'varchar', length: 4096 })
  wrapped!: string;

  /** Which master key has wrapped it. */
  @Column({ type: 'varchar', length: 255, name: 'master_id' })
  masterId!: string;

  /** Unix epoch, milliseconds. */
  @Column({ type: 'bigint', name: 'created_at' })
  createdAt!: number | string;

  /** Unix epoch, milliseconds; `null` while the key is there. */
  @Column({ type: 'bigint', name: 'erased_at', nullable: true })
  erasedAt!: number | string | null;
}
