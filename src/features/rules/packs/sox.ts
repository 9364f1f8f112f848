import type { ComplianceRule } from '../compliance-rule.js';
import * as it from './situations.js';

/** What stands in the books, by the names that accounting applications give it. */
const financialRecord = it.resourceHas(
  'invoice bill payment payout refund journal journal-entry ledger transaction budget expense payroll balance tax',
);

/**
 * Sarbanes-Oxley Act of 2002. It asks for internal control over financial reporting and names no events; these are what auditors
 * of such controls commonly ask to see.
 */
export const SOX: readonly ComplianceRule[] = [
  {
    id: 'sox.302-approval',
    name: 'Approval given or taken back',
    description:
      'Somebody approved, released, rejected, voided or reversed something: the controls that officers certify rest on who did.',
    clause: 'Section 302(a)(4)',
    category: 'compliance',
    severity: 'medium',
    conditions: it.all(
      it.changesData,
      it.succeeded,
      it.verbIs('approve unapprove authorize authorise release reject void reverse'),
    ),
  },
  {
    id: 'sox.404-financial-record-change',
    name: 'Financial record changed',
    description: 'A record that feeds the financial statements was made, changed or removed.',
    clause: 'Section 404(a)',
    category: 'data_modification',
    severity: 'low',
    conditions: it.all(it.changesData, it.succeeded, financialRecord),
  },
  {
    id: 'sox.404-privileged-change',
    name: 'Financial record changed with a privileged role',
    description:
      'An administrator changed a financial record, past the duties that are kept apart for others.',
    clause: 'Section 404(a)',
    category: 'compliance',
    severity: 'high',
    conditions: it.all(it.changesData, it.succeeded, financialRecord, it.privileged),
  },
  {
    id: 'sox.404-impersonated-change',
    name: 'Financial record changed in the name of another',
    description: 'Who changed a financial record acted as somebody else.',
    clause: 'Section 404(a)',
    category: 'compliance',
    severity: 'high',
    conditions: it.all(it.changesData, it.succeeded, financialRecord, it.impersonated),
  },
  {
    id: 'sox.404-access-right-change',
    name: 'Access right changed',
    description: 'Who may do what was changed, and with it which duties are kept apart.',
    clause: 'Section 404(a)',
    category: 'authorization',
    severity: 'medium',
    conditions: it.changesRights,
  },
  {
    id: 'sox.404-denied-access',
    name: 'Access denied',
    description: 'Somebody tried what they may not do, and the control held.',
    clause: 'Section 404(a)',
    category: 'authorization',
    severity: 'medium',
    conditions: it.deniedAccess,
  },
  {
    id: 'sox.404-audit-trail-incomplete',
    name: 'Audit trail incomplete',
    description: 'Events are missing that would show how the controls worked.',
    clause: 'Section 404(a)',
    category: 'compliance',
    severity: 'high',
    conditions: it.losesAuditEvents,
  },
  {
    id: 'sox.802-record-deletion',
    name: 'Financial record deleted',
    description: 'A financial record was deleted, which must never be done to hinder an investigation.',
    clause: 'Section 802 (18 U.S.C. 1519)',
    category: 'data_modification',
    severity: 'high',
    conditions: it.all(it.deletes, financialRecord),
  },
];
