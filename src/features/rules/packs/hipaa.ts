import * as it from './situations.js';

const rule = it.rulesOf('hipaa');

/** Health records, by the names that applications and HL7 FHIR give them. */
const healthRecord = it.resourceHas(
  'patient encounter observation condition diagnosis medication prescription immunization allergy ' +
    'procedure diagnostic-report lab-result health-record medical-record chart claim',
);

/** HIPAA Security Rule and Privacy Rule, 45 CFR Part 164. */
export const HIPAA = [
  rule('164.308.a.4-access-right-change', '45 CFR 164.308(a)(4)(ii)(C)', 'authorization', 'medium', {
    name: 'Access right changed',
    description: 'The right of a user to reach health records was granted, changed or taken away.',
    conditions: it.changesRights,
  }),
  rule('164.308.a.5-refused-login', '45 CFR 164.308(a)(5)(ii)(C)', 'authentication', 'medium', {
    name: 'Login refused',
    description: 'A login failed, or a request came without one that is valid.',
    conditions: it.all(it.is('category', 'equals', 'authentication'), it.failed),
  }),
  rule('164.308.a.6-security-incident', '45 CFR 164.308(a)(6)(ii)', 'security', 'high', {
    name: 'Possible security incident',
    description: 'A grave security event that somebody must look at, and document.',
    conditions: it.securityAlarm,
  }),
  rule('164.312.a.1-denied-access', '45 CFR 164.312(a)(1)', 'authorization', 'medium', {
    name: 'Access to health record denied',
    description: 'Somebody tried to reach a health record that they have no right to.',
    conditions: it.all(it.deniedAccess, healthRecord),
  }),
  rule('164.312.a.2-emergency-access', '45 CFR 164.312(a)(2)(ii)', 'authorization', 'high', {
    name: 'Emergency access',
    description: 'Somebody used the way around the usual rights that there is for emergencies.',
    conditions: it.all(
      it.succeeded,
      it.any(
        it.is('action', 'matches', '(break[-_]?(the[-_]?)?glass|emergency[-_]access)'),
        it.is('details.emergency', 'equals', true),
      ),
    ),
  }),
  rule('164.312.b-record-access', '45 CFR 164.312(b)', 'data_access', 'low', {
    name: 'Health record read',
    description: 'Somebody read health records.',
    conditions: it.all(it.readsData, healthRecord),
  }),
  rule('164.312.c.1-record-change', '45 CFR 164.312(c)(1)', 'data_modification', 'medium', {
    name: 'Health record altered or destroyed',
    description: 'Health records were made, changed or deleted; each such event shows whether it was proper.',
    conditions: it.all(it.changesData, it.succeeded, healthRecord),
  }),
  rule('164.528-disclosure', '45 CFR 164.528(a)', 'data_access', 'high', {
    name: 'Health records disclosed',
    description:
      'Health records left the application, or were shared: an accounting of disclosures may have to name it.',
    conditions: it.all(
      it.usesData,
      it.succeeded,
      healthRecord,
      it.any(it.anyExport, it.verbIs('share disclose send transmit fax')),
    ),
  }),
];
