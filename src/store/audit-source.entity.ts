import { Column, Entity, PrimaryColumn } from 'typeorm';
import { ID_COLUMN } from './stored-column.js';

/**
 * One row of `audit_sources`, as TypeORM sees it: something that became known of a process that numbers its events.
 * The table is only ever inserted into. Of a source the newest signed row counts, where there are keys to check it with.
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
