import { AuditError } from '../../event/audit-error.js';
import { ownQuery } from '../audit-scope.js';
import type { VerifyOptions } from './verification-result.js';

/** A copy of what a caller gives, without what no option may be. @throws AuditError `AUDIT_INVALID_QUERY` naming the option */
export function ownVerifyOptions(options: VerifyOptions): VerifyOptions {
  const own = ownQuery(options);
  for (const [field, value] of Object.entries(own) as [string, unknown][]) {
    const isList = field === 'keys' || field === 'checkpoints';
    if (value !== null && (!isList || value === undefined || Array.isArray(value))) continue;
    throw new AuditError(
      'AUDIT_INVALID_QUERY',
      `The log was not verified: ${field} must ${isList ? 'be a list' : 'not be null'}.`,
      { field },
    );
  }
  return own;
}
