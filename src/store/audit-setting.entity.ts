import { Column, Entity, PrimaryColumn } from 'typeorm';

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
