import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * One row of `audit_keys`, as TypeORM sees it: a data key of one person in one tenant, wrapped by a master key. The one
 * table whose rows change: erasure empties `wrapped`, and a new master key wraps it again.
 */
@Entity({ name: 'audit_keys' })
@Index('audit_keys_subject', ['subject'])
export class AuditKeyEntity {
  /** What events name: a keyed digest of subject and generation in the form of a UUID; `index` for the key of these digests. */
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  /** Keyed digest of tenant and person, so that the table names nobody. */
  @Column({ type: 'varchar', length: 64 })
  subject!: string;

  /** Counts the keys of a person, from 1. */
  @Column({ type: 'bigint' })
  generation!: number | string;

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

  /** Keyed digest of `id` and `erasedAt`: without it nobody believes the erasure. */
  @Column({ type: 'varchar', length: 64, nullable: true })
  erasure!: string | null;
}
