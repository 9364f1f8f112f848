import type { ComplianceRule } from '../compliance-rule.js';
import * as it from './situations.js';

/** Health records, by the names that applications and HL7 FHIR give them. */
const healthRecord = it.resourceHas(
  'patient encounter observation condition diagnosis medication prescription immunization allergy ' +
    'procedure diagnostic-report lab-result health-record medical-record chart claim',
);

/** HIPAA Security Rule and Privacy Rule, 45 CFR Part 164. */
export const HIPAA: readonly ComplianceRule[] = [
  {
    id: 'hipaa.164.308.a.4-access-right-change',
    name: 'Access right changed',
    description: 'The right of a user to reach health records was granted, changed or taken away.',
    clause: '45 CFR 164.308(a)(4)(ii)(C)',
    category: 'authorization',
    severity: 'medium',
    conditions: it.changesRights,
  },
  {
    id: 'hipaa.164.308.a.5-refused-login',
    name: 'Login refused',
    description: 'A login failed, or a request came without one that is valid.',
    clause: '45 CFR 164.308(a)(5)(ii)(C)',
    category: 'authentication',
    severity: 'medium',
    conditions: it.all(it.is('category', 'equals', 'authentication'), it.failed),
  },
  {
    id: 'hipaa.164.308.a.6-security-incident',
    name: 'Possible security incident',
    description: 'A grave security event that somebody must look at, and document.',
    clause: '45 CFR 164.308(a)(6)(ii)',
    category: 'security',
    severity: 'high',
    conditions: it.securityAlarm,
  },
  {
    id: 'hipaa.164.312.a.1-denied-access',
    name: 'Access to health record denied',
    description: 'Somebody tried to reach a health record that they have no right to.',
    clause: '45 CFR 164.312(a)(1)',
    category: 'authorization',
    severity: 'medium',
    conditions: it.all(it.deniedAccess, healthRecord),
  },
  {
    id: 'hipaa.164.312.a.2-emergency-access',
    name: 'Emergency access',
    description: 'Somebody used the way around the usual rights that there is for emergencies.',
    clause: '45 CFR 164.312(a)(2)(ii)',
    category: 'authorization',
    severity: 'high',
    conditions: it.all(
      it.succeeded,
      it.any(
        it.is('action', 'matches', '(break[-_]?(the[-_]?)?glass|emergency[-_]access)'),
        it.is('details.emergency', 'equals', true),
      ),
    ),
  },
  {
    id: 'hipaa.164.312.b-record-access',
    name: 'Health record read',
    description: 'Somebody read health records.',
    clause: '45 CFR 164.312(b)',
    category: 'data_access',
    severity: 'low',
    conditions: it.all(it.readsData, healthRecord),
  },
  {
    id: 'hipaa.164.312.c.1-record-change',
    name: 'Health record altered or destroyed',
    description: 'Health records were made, changed or deleted; each such event shows whether it was proper.',
    clause: '45 CFR 164.312(c)(1)',
    category: 'data_modification',
    severity: 'medium',
    conditions: it.all(it.changesData, it.succeeded, healthRecord),
  },
  {
    id: 'hipaa.164.528-disclosure',
    name: 'Health records disclosed',
    description:
      'Health records left the application, or were shared: an accounting of disclosures may have to name it.',
    clause: '45 CFR 164.528(a)',
    category: 'data_access',
    severity: 'high',
    conditions: it.all(
      it.usesData,
      it.succeeded,
      healthRecord,
      it.any(it.anyExport, it.verbIs('share disclose send transmit fax')),
    ),
  },
];
