import * as it from './situations.js';

const rule = it.rulesOf('pci-dss');

/** Where card numbers are, by the names that applications commonly give it. */
const cardholderData = it.resourceHas('card cardholder pan payment payment-method charge transaction refund');

/** What the system itself is made of, as far as an application can make and delete it. */
const systemObject = it.resourceHas(
  'setting config configuration policy feature-flag integration webhook api-key certificate ' +
    'tenant database schema table job service-account',
);

/** PCI DSS v4.0.1: what requirement 10.2.1 wants logged, and 10.7.2 noticed. */
export const PCI_DSS = [
  rule('10.2.1.1-cardholder-data-access', 'Requirement 10.2.1.1', 'data_access', 'low', {
    name: 'Cardholder data used',
    description: 'A user read or changed cardholder data.',
    conditions: it.all(it.usesData, it.is('userId', 'matches', '.'), cardholderData),
  }),
  rule('10.2.1.2-administrative-action', 'Requirement 10.2.1.2', 'authorization', 'medium', {
    name: 'Administrative action',
    description: 'Somebody with an administrative role did something, whatever it was.',
    conditions: it.privileged,
  }),
  rule('10.2.1.3-audit-trail-access', 'Requirement 10.2.1.3', 'security', 'medium', {
    name: 'Audit trail used',
    description: 'Somebody looked at the audit trail through the application, or tried to.',
    conditions: it.usesAuditTrail,
  }),
  rule('10.2.1.4-invalid-access-attempt', 'Requirement 10.2.1.4', 'authentication', 'medium', {
    name: 'Invalid access attempt',
    description: 'A login failed, or somebody tried what they may not do.',
    conditions: it.all(it.is('category', 'in', ['authentication', 'authorization']), it.failed),
  }),
  rule('10.2.1.5-credential-change', 'Requirement 10.2.1.5', 'authentication', 'medium', {
    name: 'Account or credential changed',
    description: 'An account, its rights, or what its owner signs in with was made, changed or removed.',
    conditions: it.changesIdentities,
  }),
  rule('10.2.1.6-audit-log-stopped', 'Requirement 10.2.1.6', 'security', 'high', {
    name: 'Audit log started, stopped or interrupted',
    description: 'Recording was switched on or off, or the audit says of itself that events are missing.',
    conditions: it.any(
      it.losesAuditEvents,
      it.is('action', 'in', ['sys_monitor_disabled', 'sys_monitor_enabled']),
    ),
  }),
  rule('10.2.1.7-system-object-change', 'Requirement 10.2.1.7', 'system', 'medium', {
    name: 'System-level object made or deleted',
    description: 'Something that the system itself is made of was made or deleted.',
    conditions: it.all(it.succeeded, systemObject, it.any(it.deletes, it.verbIs('create add drop'))),
  }),
  rule('10.7.2-logging-failure', 'Requirement 10.7.2', 'security', 'critical', {
    name: 'Audit logging failed',
    description: 'The audit log, itself a critical security control, lost or missed events.',
    conditions: it.losesAuditEvents,
  }),
];
