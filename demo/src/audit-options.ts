// How the API is audited, by whatever door.
import { detection } from 'nest-audit-trail/detection';
import { complianceWith } from './compliance.js';

/** @param logger where a rule that alerts says so */
export const auditOptions = (logger: Parameters<typeof complianceWith>[0]) =>
  ({
    database: { type: 'better-sqlite3', database: process.env['AUDIT_FILE'] ?? 'audit.sqlite' },
    delivery: { directory: process.env['AUDIT_JOURNAL'] ?? 'audit-journal' },
    features: [complianceWith(logger), detection()],
    service: { name: 'accounting-api', version: '1.0.0' },
  }) as const;
