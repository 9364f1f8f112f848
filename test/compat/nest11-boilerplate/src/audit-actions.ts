import { defineAuditActions } from 'nest-audit-trail';

/** What users do, in the words that an auditor reads. */
export const actions = defineAuditActions({
  userRegister: { action: 'user.register', resource: 'user', severity: 'medium' },
  userUpdate: { action: 'user.update', resource: 'user' },
  userDelete: { action: 'user.delete', resource: 'user', severity: 'high' },
});
