import { Entity, PrimaryColumn } from 'typeorm';

/**
 * One row of `audit_removals`, as TypeORM sees it: an event that the transaction at work removes. Outside of one the table is
 * empty.
 */
@Entity({ name: 'audit_removals' })
export class AuditRemovalEntity {
  @PrimaryColumn({ type: 'varchar', length: 36, name: 'event_id' })
  eventId!: string;
}
