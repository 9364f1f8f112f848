import { Entity } from 'typeorm';
import { id, key, rowOf } from '../../store/columns.js';

export const REMOVAL = { eventId: key(id) };

/**
 * One row of `audit_removals`, as TypeORM sees it: an event that the transaction at work removes. Outside of one the table is
 * empty.
 */
@Entity({ name: 'audit_removals' })
export class AuditRemovalEntity extends rowOf(REMOVAL) {}
