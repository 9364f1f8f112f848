import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** Who uses the application. */
@Entity('user')
export class User {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ unique: true }) email!: string;
  @Column() password!: string;
  @Column({ default: '' }) firstName!: string;
  @Column({ default: 'user' }) role!: string;
}
