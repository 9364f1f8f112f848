import { AuditError } from '../event/audit-error.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { MasterKeys } from '../features/protection/master-keys.js';
import { ProtectedReader } from '../features/protection/protected-reader.js';
import { checkProtection } from '../features/protection/protection-options.js';
import type { Protection } from '../features/protection/protection-options.js';
import { Protector } from '../features/protection/protector.js';
import { SubjectKeys } from '../features/protection/subject-keys.js';
import { TransitKeys } from '../features/protection/transit-keys.js';
import type { EventsOnTheWay } from '../features/protection/transit-keys.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import { AskedFor } from '../trail/asked-for.js';
import type { AuditModuleOptions } from './audit.options.js';
import type { Tables } from './tables.js';

/** What encrypts values and shows them again, as far as anything is to be encrypted. */
export type Protecting = ReturnType<typeof protectingOf>;

export function protectingOf(
  options: AuditModuleOptions,
  { subjectKeys }: Tables,
  events: EventsOnTheWay,
  logger: AuditLogger,
) {
  const protection = checkProtection(options.protect, options.redaction);
  if (!protection) return { reader: new ProtectedReader(subjectKeys, undefined, logger) };
  if (options.features?.some(({ name }) => name === 'detection')) warnOfUnseen(protection, logger);
  const masters = new MasterKeys(protection);
  const keys = new SubjectKeys(subjectKeys, masters, protection, logger);
  const transit = new TransitKeys(masters, protection.cacheSeconds * 1_000, events, logger);
  const protector = new Protector(protection, transit, keys, logger);
  return {
    reader: new ProtectedReader(subjectKeys, keys, logger),
    on: { protection, keys, transit, protector },
  };
}

/** What the audit's own events may say of what somebody asked for. */
export function askedFor(redactor: Redactor, { on }: Protecting): AskedFor {
  const protection = on && {
    fields: on.protection.fields,
    isProtectedFact: on.protection.isProtectedFact,
    digest: (tenantId: string, value: string) => on.keys.referenceOf(tenantId, value),
  };
  return new AskedFor(redactor, protection);
}

/** What detection looks for in the database, and does not see there. */
function warnOfUnseen({ fields, isProtectedFact }: Protection, logger: AuditLogger): void {
  const unseen = [
    ...fields.filter((field) => field === 'userId' || field === 'ipAddress'),
    ...['details.account'].filter(isProtectedFact),
  ];
  if (unseen.length === 0) return;
  logger.warn(
    `protect.fields has ${unseen.join(', ')}: what is found by these across processes, the audit's detection does not find any more (docs/encryption.md of nest-audit-trail).`,
  );
}

/**
 * Whether the protected data that are there can be read by this process, and stay protected.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS`
 */
export async function checkKeys(
  { protect }: AuditModuleOptions,
  { subjectKeys }: Tables,
  { on }: Protecting,
): Promise<void> {
  if (protect === false) return;
  try {
    if (on) return await on.keys.check();
    if (!(await subjectKeys.hasAny())) return;
  } catch (error) {
    if (error instanceof AuditError && error.code === 'AUDIT_INVALID_OPTIONS') throw error;
    // Without protection nothing is known of the table; with it, delivery says what is wrong.
    return;
  }
  throw new AuditError(
    'AUDIT_INVALID_OPTIONS',
    'The audit option protect is missing, and the database has protected data: write the options that they were protected with, so that none are stored in clear from now on; or protect: false, if that is meant.',
    { field: 'protect' },
  );
}
