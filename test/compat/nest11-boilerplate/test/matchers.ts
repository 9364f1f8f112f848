import { auditMatchers } from 'nest-audit-trail/testing';

expect.extend(auditMatchers);
