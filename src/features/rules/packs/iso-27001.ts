import type { ComplianceRule } from '../compliance-rule.js';
import * as it from './situations.js';

const clause = 'A.8.15';

/**
 * ISO/IEC 27001:2022, control A.8.15: logs of activities, exceptions, faults and other relevant events. Which events these are
 * follows the guidance on the same control in ISO/IEC 27002:2022.
 */
export const ISO_27001: readonly ComplianceRule[] = [
  {
    id: 'iso-27001.8.15-rejected-access',
    name: 'Access rejected',
    description: 'A login or an attempt to reach data was rejected.',
    clause,
    category: 'authorization',
    severity: 'medium',
    conditions: it.all(it.is('category', 'in', ['authentication', 'authorization']), it.failed),
  },
  {
    id: 'iso-27001.8.15-privilege-use',
    name: 'Privilege used',
    description: 'Somebody acted with a privileged role.',
    clause,
    category: 'authorization',
    severity: 'medium',
    conditions: it.privileged,
  },
  {
    id: 'iso-27001.8.15-configuration-change',
    name: 'Configuration changed',
    description: 'A setting of the application, or a compliance rule of the audit, was changed.',
    clause,
    category: 'system',
    severity: 'medium',
    conditions: it.changesConfiguration,
  },
  {
    id: 'iso-27001.8.15-identity-change',
    name: 'Identity changed',
    description: 'An account, its rights or its credentials were made, changed or removed.',
    clause,
    category: 'authentication',
    severity: 'medium',
    conditions: it.changesIdentities,
  },
  {
    id: 'iso-27001.8.15-deletion',
    name: 'Data deleted',
    description: 'Data was deleted.',
    clause,
    category: 'data_modification',
    severity: 'medium',
    conditions: it.deletes,
  },
  {
    id: 'iso-27001.8.15-alarm',
    name: 'Security alarm',
    description: 'A grave security event, such as a finding of detection.',
    clause,
    category: 'security',
    severity: 'high',
    conditions: it.securityAlarm,
  },
  {
    id: 'iso-27001.8.15-fault',
    name: 'Fault',
    description: 'A request ended in an error of the application, or did not end at all.',
    clause,
    category: 'system',
    severity: 'low',
    conditions: it.any(
      it.all(it.failed, it.is('metadata.statusCode', 'greater_than', 499)),
      it.is('metadata.interrupted', 'equals', true),
    ),
  },
  {
    id: 'iso-27001.8.15-log-protection',
    name: 'Audit trail used, or incomplete',
    description: 'Somebody looked at the audit trail, or it says of itself that events are missing.',
    clause,
    category: 'security',
    severity: 'high',
    conditions: it.any(it.usesAuditTrail, it.losesAuditEvents),
  },
];
