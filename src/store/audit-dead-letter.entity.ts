import { Column, Entity, PrimaryColumn } from 'typeorm';
import { TEXT_LIMITS } from '../event/safe-text.js';
import { ID_COLUMN } from './stored-column.js';

/**
 * One row of `audit_dead_letters`, as TypeORM sees it: an event that the database refused alone, such as one with
 * a value that a changed column can't hold.
 *
 * The table is only ever inserted into. A letter that was replayed stays; its event is in `audit_events` as well.
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
