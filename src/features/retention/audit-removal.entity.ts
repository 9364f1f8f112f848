import { Entity, PrimaryColumn } from 'typeorm';
import { ID_COLUMN } from '../../store/stored-column.js';

/**
 * One row of `audit_removals`, as TypeORM sees it: an event that the transaction at work removes. Outside of one the table is
 * empty.
 */
@Entity({ name: 'audit_removals' })
export class AuditRemovalEntity {
  @PrimaryColumn({ ...ID_COLUMN, name: 'event_id' })
  eventId!: string;
}
