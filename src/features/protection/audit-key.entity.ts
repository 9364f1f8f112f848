import { Entity, Index } from 'typeorm';
import { TEXT_LIMITS } from '../../event/safe-text.js';
import { bigint, key, nullable, rowOf, text } from '../../store/columns.js';

export const KEY = {
  /** What events name: a keyed digest of subject and generation in the form of a UUID; `index` for the key of these digests. */
  id: key(text(36)),
  /** Keyed digest of tenant and person, so that the table names nobody. */
  subject: text(64),
  /** Counts the keys of a person, from 1. */
  generation: bigint,
  tenantId: text(TEXT_LIMITS.tenantId),
  /** Base64; empty once the key is destroyed. */
  wrapped: text(4_096),
  /** Which master key has wrapped it. */
  masterId: text(255),
  /** Unix epoch, milliseconds. */
  createdAt: bigint,
  /** Unix epoch, milliseconds; `null` while the key is there. */
  erasedAt: nullable(bigint),
  /** Keyed digest of `id` and `erasedAt`: without it nobody believes the erasure. */
  erasure: nullable(text(64)),
};

/**
 * One row of `audit_keys`, as TypeORM sees it: a data key of one person in one tenant, wrapped by a master key. The one
 * table whose rows change: erasure empties `wrapped`, and a new master key wraps it again.
 */
@Entity({ name: 'audit_keys' })
@Index('audit_keys_subject', ['subject'])
export class AuditKeyEntity extends rowOf(KEY) {}
