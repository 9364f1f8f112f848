import * as it from './situations.js';

const rule = it.rulesOf('gdpr');

/** Data about people, by the names that applications commonly give it. */
const personalData = it.resourceHas(
  'user customer client contact person people employee applicant candidate member subscriber profile address',
);

/** General Data Protection Regulation, Regulation (EU) 2016/679. */
export const GDPR = [
  rule('5.2-audit-trail-incomplete', 'Article 5(2)', 'compliance', 'high', {
    name: 'Audit trail incomplete',
    description: 'Events are missing with which the controller could show what was done with personal data.',
    conditions: it.losesAuditEvents,
  }),
  rule('7.1-consent-change', 'Article 7(1) and (3)', 'compliance', 'low', {
    name: 'Consent given or withdrawn',
    description: 'A consent was recorded, changed or withdrawn, which the controller must be able to show.',
    conditions: it.all(it.changesData, it.succeeded, it.resourceHas('consent')),
  }),
  rule('15-subject-request', 'Articles 15 to 22', 'compliance', 'low', {
    name: 'Request of a data subject',
    description: 'Somebody asked for their data, for its correction or erasure, or objected to its use.',
    conditions: it.all(
      it.usesData,
      it.resourceHas('subject-request data-request access-request erasure-request'),
    ),
  }),
  rule('17-erasure', 'Article 17(1)', 'data_modification', 'medium', {
    name: 'Personal data erased',
    description: 'Data about a person was deleted, perhaps since they asked for it.',
    conditions: it.all(it.deletes, personalData),
  }),
  rule('32.1-bulk-export', 'Article 32(1)(b)', 'data_access', 'high', {
    name: 'Personal data exported',
    description: 'Data about people left the application, as an export or as 1,000 records and more at once.',
    conditions: it.all(it.anyExport, it.succeeded, personalData),
  }),
  rule('32.1-denied-access', 'Article 32(1)(b)', 'authorization', 'medium', {
    name: 'Access to personal data denied',
    description: 'Somebody tried to reach data about people that they may not see or change.',
    conditions: it.all(it.deniedAccess, personalData),
  }),
  rule('32.4-privileged-access', 'Article 32(4)', 'data_access', 'medium', {
    name: 'Personal data used with a privileged role',
    description: 'An administrator read or changed data about people, which they may do on instruction only.',
    conditions: it.all(it.usesData, it.succeeded, personalData, it.privileged),
  }),
  rule('33-possible-breach', 'Article 33(1) and (5)', 'security', 'high', {
    name: 'Possible breach of personal data',
    description:
      'A grave security event, such as a user who appears in a tenant that is not theirs: look whether it must be notified.',
    conditions: it.securityAlarm,
  }),
];
