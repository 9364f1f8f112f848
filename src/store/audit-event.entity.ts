import { Column, Entity, PrimaryColumn } from 'typeorm';
import { TEXT_LIMITS } from '../event/safe-text.js';
import { codeColumn, ID_COLUMN } from './stored-column.js';

/**
 * One row of `audit_events`, as TypeORM sees it: for an application's own read-only use of the table and for
 * TypeORM's CLI. The repository itself names the table and its columns, so that it works on a data source that does
 * not know this entity.
 *
 * The table is only ever inserted into. Text columns compare byte by byte on every database (see the migration), so
 * `Acme` and `acme` are two tenants everywhere.
 */
@Entity({ name: 'audit_events' })
export class AuditEventEntity {
  @PrimaryColumn(ID_COLUMN)
  id!: string;

  /** Unix epoch, milliseconds. Drivers answer a bigint as a string where it might not fit a number. */
  @Column({ type: 'bigint' })
  timestamp!: number | string;

  @Column({ name: 'tenant_id', type: 'varchar', length: TEXT_LIMITS.tenantId })
  tenantId!: string;

  @Column({ name: 'user_id', type: 'varchar', length: TEXT_LIMITS.userId, nullable: true })
  userId!: string | null;

  @Column({ type: 'varchar', length: TEXT_LIMITS.action })
  action!: string;

  @Column({ type: 'varchar', length: TEXT_LIMITS.resource })
  resource!: string;

  @Column({ name: 'resource_id', type: 'varchar', length: TEXT_LIMITS.resourceId, nullable: true })
  resourceId!: string | null;

  /** Canonical JSON (RFC 8785), kept as text so that no database rewrites it. */
  @Column({ type: 'text' })
  details!: string;

  @Column({ name: 'ip_address', type: 'varchar', length: TEXT_LIMITS.ipAddress, nullable: true })
  ipAddress!: string | null;

  @Column({ name: 'user_agent', type: 'varchar', length: TEXT_LIMITS.userAgent, nullable: true })
  userAgent!: string | null;

  @Column({ name: 'session_id', type: 'varchar', length: TEXT_LIMITS.sessionId, nullable: true })
  sessionId!: string | null;

  @Column(codeColumn('severity'))
  severity!: string;

  @Column(codeColumn('category'))
  category!: string;

  @Column(codeColumn('outcome'))
  outcome!: string;

  @Column({ name: 'risk_score', type: 'smallint' })
  riskScore!: number;

  /** Canonical JSON (RFC 8785) list of rule ids. */
  @Column({ name: 'compliance_flags', type: 'text' })
  complianceFlags!: string;

  /** Canonical JSON (RFC 8785). */
  @Column({ type: 'text' })
  metadata!: string;

  /** `metadata.source` again, for the index that tells what is missing; `null` on events that are not numbered. */
  @Column({ ...ID_COLUMN, nullable: true })
  source!: string | null;

  /** `metadata.sequence` again. */
  @Column({ type: 'bigint', nullable: true })
  sequence!: number | string | null;
}
