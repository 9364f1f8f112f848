import type { ComplianceRule } from '../compliance-rule.js';
import * as it from './situations.js';

/** Data about people, by the names that applications commonly give it. */
const personalData = it.resourceHas(
  'user customer client contact person people employee applicant candidate member subscriber profile address',
);

/** General Data Protection Regulation, Regulation (EU) 2016/679. */
export const GDPR: readonly ComplianceRule[] = [
  {
    id: 'gdpr.5.2-audit-trail-incomplete',
    name: 'Audit trail incomplete',
    description: 'Events are missing with which the controller could show what was done with personal data.',
    clause: 'Article 5(2)',
    category: 'compliance',
    severity: 'high',
    conditions: it.losesAuditEvents,
  },
  {
    id: 'gdpr.7.1-consent-change',
    name: 'Consent given or withdrawn',
    description: 'A consent was recorded, changed or withdrawn, which the controller must be able to show.',
    clause: 'Article 7(1) and (3)',
    category: 'compliance',
    severity: 'low',
    conditions: it.all(it.changesData, it.succeeded, it.resourceHas('consent')),
  },
  {
    id: 'gdpr.15-subject-request',
    name: 'Request of a data subject',
    description: 'Somebody asked for their data, for its correction or erasure, or objected to its use.',
    clause: 'Articles 15 to 22',
    category: 'compliance',
    severity: 'low',
    conditions: it.all(
      it.usesData,
      it.resourceHas('subject-request data-request access-request erasure-request'),
    ),
  },
  {
    id: 'gdpr.17-erasure',
    name: 'Personal data erased',
    description: 'Data about a person was deleted, perhaps since they asked for it.',
    clause: 'Article 17(1)',
    category: 'data_modification',
    severity: 'medium',
    conditions: it.all(it.deletes, personalData),
  },
  {
    id: 'gdpr.32.1-bulk-export',
    name: 'Personal data exported',
    description: 'Data about people left the application, as an export or as 1,000 records and more at once.',
    clause: 'Article 32(1)(b)',
    category: 'data_access',
    severity: 'high',
    conditions: it.all(it.anyExport, it.succeeded, personalData),
  },
  {
    id: 'gdpr.32.1-denied-access',
    name: 'Access to personal data denied',
    description: 'Somebody tried to reach data about people that they may not see or change.',
    clause: 'Article 32(1)(b)',
    category: 'authorization',
    severity: 'medium',
    conditions: it.all(it.deniedAccess, personalData),
  },
  {
    id: 'gdpr.32.4-privileged-access',
    name: 'Personal data used with a privileged role',
    description: 'An administrator read or changed data about people, which they may do on instruction only.',
    clause: 'Article 32(4)',
    category: 'data_access',
    severity: 'medium',
    conditions: it.all(it.usesData, it.succeeded, personalData, it.privileged),
  },
  {
    id: 'gdpr.33-possible-breach',
    name: 'Possible breach of personal data',
    description:
      'A grave security event, such as a user who appears in a tenant that is not theirs: look whether it must be notified.',
    clause: 'Article 33(1) and (5)',
    category: 'security',
    severity: 'high',
    conditions: it.securityAlarm,
  },
];
