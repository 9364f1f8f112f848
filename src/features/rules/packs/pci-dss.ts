import type { ComplianceRule } from '../compliance-rule.js';
import * as it from './situations.js';

/** Where card numbers are, by the names that applications commonly give it. */
const cardholderData = it.resourceHas('card cardholder pan payment payment-method charge transaction refund');

/** What the system itself is made of, as far as an application can make and delete it. */
const systemObject = it.resourceHas(
  'setting config configuration policy feature-flag integration webhook api-key certificate ' +
    'tenant database schema table job service-account',
);

/** PCI DSS v4.0.1: what requirement 10.2.1 wants logged, and 10.7.2 noticed. */
export const PCI_DSS: readonly ComplianceRule[] = [
  {
    id: 'pci-dss.10.2.1.1-cardholder-data-access',
    name: 'Cardholder data used',
    description: 'A user read or changed cardholder data.',
    clause: 'Requirement 10.2.1.1',
    category: 'data_access',
    severity: 'low',
    conditions: it.all(it.usesData, it.is('userId', 'matches', '.'), cardholderData),
  },
  {
    id: 'pci-dss.10.2.1.2-administrative-action',
    name: 'Administrative action',
    description: 'Somebody with an administrative role did something, whatever it was.',
    clause: 'Requirement 10.2.1.2',
    category: 'authorization',
    severity: 'medium',
    conditions: it.privileged,
  },
  {
    id: 'pci-dss.10.2.1.3-audit-trail-access',
    name: 'Audit trail used',
    description: 'Somebody looked at the audit trail through the application, or tried to.',
    clause: 'Requirement 10.2.1.3',
    category: 'security',
    severity: 'medium',
    conditions: it.usesAuditTrail,
  },
  {
    id: 'pci-dss.10.2.1.4-invalid-access-attempt',
    name: 'Invalid access attempt',
    description: 'A login failed, or somebody tried what they may not do.',
    clause: 'Requirement 10.2.1.4',
    category: 'authentication',
    severity: 'medium',
    conditions: it.all(it.is('category', 'in', ['authentication', 'authorization']), it.failed),
  },
  {
    id: 'pci-dss.10.2.1.5-credential-change',
    name: 'Account or credential changed',
    description: 'An account, its rights, or what its owner signs in with was made, changed or removed.',
    clause: 'Requirement 10.2.1.5',
    category: 'authentication',
    severity: 'medium',
    conditions: it.changesIdentities,
  },
  {
    id: 'pci-dss.10.2.1.6-audit-log-stopped',
    name: 'Audit log started, stopped or interrupted',
    description: 'Recording was switched on or off, or the audit says of itself that events are missing.',
    clause: 'Requirement 10.2.1.6',
    category: 'security',
    severity: 'high',
    conditions: it.any(
      it.losesAuditEvents,
      it.is('action', 'in', ['sys_monitor_disabled', 'sys_monitor_enabled']),
    ),
  },
  {
    id: 'pci-dss.10.2.1.7-system-object-change',
    name: 'System-level object made or deleted',
    description: 'Something that the system itself is made of was made or deleted.',
    clause: 'Requirement 10.2.1.7',
    category: 'system',
    severity: 'medium',
    conditions: it.all(it.succeeded, systemObject, it.any(it.deletes, it.verbIs('create add drop'))),
  },
  {
    id: 'pci-dss.10.7.2-logging-failure',
    name: 'Audit logging failed',
    description: 'The audit log, itself a critical security control, lost or missed events.',
    clause: 'Requirement 10.7.2',
    category: 'security',
    severity: 'critical',
    conditions: it.losesAuditEvents,
  },
];
