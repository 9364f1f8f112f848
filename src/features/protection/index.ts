// The feature `protection`: nest-audit-trail/protection.
import { defineFeature } from '../../engine/audit-feature.js';
import { RateLimitedLog } from '../../event/audit-logger.js';
import { CreateAuditKeys1764100000000 } from './1764100000000-create-audit-keys.js';
import { AuditKeyEntity } from './audit-key.entity.js';
import { DataProtection } from './data-protection.js';
import { ProtectedReader } from './protected-reader.js';
import { checkProtection, hasKeys } from './protection-options.js';
import type { ProtectionOptions } from './protection-options.js';
import { Protector } from './protector.js';
import { SubjectKeyRepository } from './subject-key.repository.js';
import { SubjectKeys } from './subject-keys.js';
import { TransitKeys } from './transit-keys.js';

export { AuditKeyEntity } from './audit-key.entity.js';
export { DataProtection } from './data-protection.js';
export type { AuditErasure, AuditSubject, KeyRotation, KeyRotationOptions } from './data-protection.js';
export type { KeyManagement } from './master-keys.js';
export type { ProtectionOptions } from './protection-options.js';

declare module '../../engine/audit-feature.js' {
  interface FeatureOptions {
    readonly protection?: ProtectionOptions;
  }
}

/**
 * Encrypts values of events, each person's under a key of their own, so that a person can be forgotten by the injected
 * {@link DataProtection}. See `docs/comply/encryption.md`.
 *
 * @example
 * ```ts
 * AuditModule.forRoot({ features: [protection({ fields: ['ipAddress', 'details.*.email'] })] })
 * ```
 */
export const protection = defineFeature(
  'protection',
  (given: ProtectionOptions, host) => {
    const { database, recorder, redactor, logger } = host;
    const options = checkProtection(given, redactor);
    const { masters, cacheSeconds, subjectField } = options;
    const warnings = new RateLimitedLog(logger);
    const table = new SubjectKeyRepository(database);
    const keys = masters && new SubjectKeys(table, masters, options, warnings);
    const reader = new ProtectedReader(table, keys, warnings);
    const read = reader.read.bind(reader);
    if (!keys) return { atRest: { read }, service: new DataProtection(undefined, reader, host) };
    const transit = new TransitKeys(keys.masters, cacheSeconds * 1_000, recorder.delivery, warnings);
    let isStarted = false;
    return {
      atRest: { protection: new Protector(options, transit, keys, warnings), read },
      service: new DataProtection({ keys, transit, subjectField }, reader, host),
      prepare: () => transit.open(),
      connected: () => keys.check(),
      start: () => {
        isStarted = true;
      },
      async end() {
        // Where the application did not start, the journal has not been looked into.
        await transit.close(isStarted);
        keys.close();
      },
    };
  },
  {
    service: DataProtection,
    tables: { entities: [AuditKeyEntity], migrations: [CreateAuditKeys1764100000000] },
  },
  // They are here alone.
  hasKeys,
);
