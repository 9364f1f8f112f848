// The feature `retention`: nest-audit-trail/retention.
import { defineFeature } from '../../engine/audit-feature.js';
import { AllowRemovals1764200000000 } from './1764200000000-allow-removals.js';
import { AuditRemovalEntity } from './audit-removal.entity.js';
import { AuditRetention } from './audit-retention.js';
import { LegalHolds } from './legal-holds.js';
import { explainRemovals } from './recorded-removals.js';
import { Removal } from './removal.js';
import { checkRetention } from './retention-options.js';
import type { RetentionOptions } from './retention-options.js';
import { RetentionRepository } from './retention.repository.js';

export { AuditRemovalEntity } from './audit-removal.entity.js';
export { AuditRetention } from './audit-retention.js';
export type { LegalHoldInput, LegalHoldRelease } from './audit-retention.js';
export type { LegalHold } from './legal-holds.js';
export type { RemovalOptions, RemovalProgress, RemovalResult, RemovedGroup } from './removal.js';
export type { RetentionOptions, RetentionRule } from './retention-options.js';
export type { AuditStorage, AuditTenantStorage } from './storage.js';

declare module '../../engine/audit-feature.js' {
  interface FeatureOptions {
    readonly retention?: RetentionOptions;
  }
}

/**
 * Removes what has been kept long enough, except what a legal hold is on, by the injected {@link AuditRetention}. See `docs/comply/retention.md`.
 *
 * @example
 * ```ts
 * AuditModule.forRoot({ features: [retention({ rules: [{ keepDays: 365 }] })] })
 * ```
 */
export const retention = defineFeature(
  'retention',
  (options: RetentionOptions, host) => {
    checkRetention(options);
    const { database } = host;
    const repository = new RetentionRepository(database);
    const holds = new LegalHolds(repository, host);
    const removal = new Removal(options, repository, holds, host);
    return {
      explains: explainRemovals(database),
      holds: (person) => holds.onPerson(person),
      service: new AuditRetention(removal, holds, host),
    };
  },
  {
    service: AuditRetention,
    tables: { entities: [AuditRemovalEntity], migrations: [AllowRemovals1764200000000] },
  },
);
