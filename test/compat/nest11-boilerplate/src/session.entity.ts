import { Entity, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { User } from './user.entity';

/** A login that has not ended: its id is in the tokens. */
@Entity('session')
export class Session {
  @PrimaryGeneratedColumn() id!: number;
  @ManyToOne(() => User, { onDelete: 'CASCADE' }) user!: User;
}
