import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A row of the application's own, beside the audit's tables. */
@Entity({ name: 'invoices' })
export class Invoice {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column({ type: 'integer' })
  amount!: number;
}
