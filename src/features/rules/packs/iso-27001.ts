import * as it from './situations.js';

const rule = it.rulesOf('iso-27001');

const clause = 'A.8.15';

/**
 * ISO/IEC 27001:2022, control A.8.15: logs of activities, exceptions, faults and other relevant events. Which events these are
 * follows the guidance on the same control in ISO/IEC 27002:2022.
 */
export const ISO_27001 = [
  rule('8.15-rejected-access', clause, 'authorization', 'medium', {
    name: 'Access rejected',
    description: 'A login or an attempt to reach data was rejected.',
    conditions: it.all(it.is('category', 'in', ['authentication', 'authorization']), it.failed),
  }),
  rule('8.15-privilege-use', clause, 'authorization', 'medium', {
    name: 'Privilege used',
    description: 'Somebody acted with a privileged role.',
    conditions: it.privileged,
  }),
  rule('8.15-configuration-change', clause, 'system', 'medium', {
    name: 'Configuration changed',
    description: 'A setting of the application, or a compliance rule of the audit, was changed.',
    conditions: it.changesConfiguration,
  }),
  rule('8.15-identity-change', clause, 'authentication', 'medium', {
    name: 'Identity changed',
    description: 'An account, its rights or its credentials were made, changed or removed.',
    conditions: it.changesIdentities,
  }),
  rule('8.15-deletion', clause, 'data_modification', 'medium', {
    name: 'Data deleted',
    description: 'Data was deleted.',
    conditions: it.deletes,
  }),
  rule('8.15-alarm', clause, 'security', 'high', {
    name: 'Security alarm',
    description: 'A grave security event, such as a finding of detection.',
    conditions: it.securityAlarm,
  }),
  rule('8.15-fault', clause, 'system', 'low', {
    name: 'Fault',
    description: 'A request ended in an error of the application, or did not end at all.',
    conditions: it.any(
      it.all(it.failed, it.is('metadata.statusCode', 'greater_than', 499)),
      it.is('metadata.interrupted', 'equals', true),
    ),
  }),
  rule('8.15-log-protection', clause, 'security', 'high', {
    name: 'Audit trail used, or incomplete',
    description: 'Somebody looked at the audit trail, or it says of itself that events are missing.',
    conditions: it.any(it.usesAuditTrail, it.losesAuditEvents),
  }),
];
