import * as it from './situations.js';

const rule = it.rulesOf('sox');

/** What stands in the books, by the names that accounting applications give it. */
const financialRecord = it.resourceHas(
  'invoice bill payment payout refund journal journal-entry ledger transaction budget expense payroll balance tax',
);

/**
 * Sarbanes-Oxley Act of 2002. It asks for internal control over financial reporting and names no events; these are what auditors
 * of such controls commonly ask to see.
 */
export const SOX = [
  rule('302-approval', 'Section 302(a)(4)', 'compliance', 'medium', {
    name: 'Approval given or taken back',
    description:
      'Somebody approved, released, rejected, voided or reversed something: the controls that officers certify rest on who did.',
    conditions: it.all(
      it.changesData,
      it.succeeded,
      it.verbIs('approve unapprove authorize authorise release reject void reverse'),
    ),
  }),
  rule('404-financial-record-change', 'Section 404(a)', 'data_modification', 'low', {
    name: 'Financial record changed',
    description: 'A record that feeds the financial statements was made, changed or removed.',
    conditions: it.all(it.changesData, it.succeeded, financialRecord),
  }),
  rule('404-privileged-change', 'Section 404(a)', 'compliance', 'high', {
    name: 'Financial record changed with a privileged role',
    description:
      'An administrator changed a financial record, past the duties that are kept apart for others.',
    conditions: it.all(it.changesData, it.succeeded, financialRecord, it.privileged),
  }),
  rule('404-impersonated-change', 'Section 404(a)', 'compliance', 'high', {
    name: 'Financial record changed in the name of another',
    description: 'Who changed a financial record acted as somebody else.',
    conditions: it.all(it.changesData, it.succeeded, financialRecord, it.impersonated),
  }),
  rule('404-access-right-change', 'Section 404(a)', 'authorization', 'medium', {
    name: 'Access right changed',
    description: 'Who may do what was changed, and with it which duties are kept apart.',
    conditions: it.changesRights,
  }),
  rule('404-denied-access', 'Section 404(a)', 'authorization', 'medium', {
    name: 'Access denied',
    description: 'Somebody tried what they may not do, and the control held.',
    conditions: it.deniedAccess,
  }),
  rule('404-audit-trail-incomplete', 'Section 404(a)', 'compliance', 'high', {
    name: 'Audit trail incomplete',
    description: 'Events are missing that would show how the controls worked.',
    conditions: it.losesAuditEvents,
  }),
  rule('802-record-deletion', 'Section 802 (18 U.S.C. 1519)', 'data_modification', 'high', {
    name: 'Financial record deleted',
    description: 'A financial record was deleted, which must never be done to hinder an investigation.',
    conditions: it.all(it.deletes, financialRecord),
  }),
];
