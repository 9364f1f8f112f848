import type {
  ComplianceRule,
  RuleCondition,
  RuleConditions,
  RuleOperator,
  RuleValue,
} from '../compliance-rule.js';

/** Makes the rules of a pack, whose name begins their ids. */
export const rulesOf =
  (pack: string) =>
  (
    id: string,
    clause: string,
    category: ComplianceRule['category'],
    severity: ComplianceRule['severity'],
    rule: Pick<Required<ComplianceRule>, 'name' | 'description' | 'conditions'>,
  ): ComplianceRule => ({ id: `${pack}.${id}`, clause, category, severity, ...rule });

/**
 * What more than one pack looks for, in this library's own words: its default categories, actions and metadata, and the
 * names of OWASP's Application Logging Vocabulary that `AuthenticationAudit` gives.
 */
export const is = (
  field: string,
  operator: RuleOperator,
  value: RuleValue | readonly RuleValue[],
): RuleCondition => ({ field, operator, value });

export const all = (...conditions: readonly RuleConditions[]): RuleConditions => ({ all: conditions });
export const any = (...conditions: readonly RuleConditions[]): RuleConditions => ({ any: conditions });

export const succeeded = is('outcome', 'equals', 'success');
export const failed = is('outcome', 'equals', 'failure');
export const changesData = is('category', 'equals', 'data_modification');
export const readsData = is('category', 'equals', 'data_access');
export const usesData = is('category', 'in', ['data_access', 'data_modification']);

/** Somebody acted in another's name. */
export const impersonated = is('metadata.impersonatorId', 'matches', '.');

/** The actor has one of the roles that risk scoring calls privileged as well. */
export const privileged: RuleCondition = {
  field: 'metadata.roles',
  operator: 'in',
  value: ['admin', 'administrator', 'root', 'superuser', 'owner'],
  ignoreCase: true,
};

/** Whether one of the words is a whole part of a name in kebab case: `card` is one of `card-payment`, not of `cardigan`. */
export const resourceHas = (words: string): RuleCondition =>
  is('resource', 'matches', `(^|[-_.])(${words.replaceAll(' ', '|')})([-_.]|$)`);

/** Whether the verb of the action is one of the words, or begins with one: `.export`, `.export-csv`. */
export const verbIs = (words: string): RuleCondition =>
  is('action', 'matches', `\\.(${words.replaceAll(' ', '|')})([-_.]|$)`);

/** Something was deleted, by whatever name or method. */
export const deletes = all(
  changesData,
  succeeded,
  any(verbIs('delete remove purge erase destroy'), is('metadata.method', 'equals', 'DELETE')),
);

/** Somebody was not allowed to do what they tried. */
export const deniedAccess = all(is('category', 'equals', 'authorization'), failed);

/** Who may do what was changed. */
export const changesRights = all(
  succeeded,
  any(
    is('action', 'in', ['authz_change', 'privilege_permissions_changed']),
    all(changesData, resourceHas('role permission privilege grant access-right membership')),
  ),
);

/** An account, or what its owner signs in with, was made, changed or removed. */
export const changesIdentities = all(
  succeeded,
  any(
    is('action', 'in', [
      'authn_password_change',
      'authn_token_created',
      'authn_token_revoked',
      'authn_token_delete',
      'authz_change',
      'privilege_permissions_changed',
      'user_created',
      'user_updated',
      'user_archived',
      'user_deleted',
    ]),
    all(
      is('category', 'in', ['data_modification', 'authentication']),
      // Not `account`, which in the books is another thing.
      resourceHas('user identity password credential api-key role permission mfa'),
      verbIs('create update delete change reset assign revoke enable disable lock unlock'),
    ),
  ),
);

/** How the application works was changed, or the rules of the audit. */
export const changesConfiguration = all(
  succeeded,
  any(
    is('category', 'equals', 'compliance'),
    all(changesData, resourceHas('setting config configuration policy feature-flag integration webhook')),
  ),
);

/** Somebody looked at the audit trail, or tried. What the trail says of itself is no access to it. */
export const usesAuditTrail = all(
  is('resource', 'in', ['audit', 'audit-event', 'audit-log', 'audit-trail']),
  is('category', 'in', ['data_access', 'data_modification', 'authentication', 'authorization']),
);

/** The trail says of itself that it is not whole. */
export const losesAuditEvents = is('action', 'in', [
  'audit.drop',
  'audit.loss',
  'audit.gap',
  'audit.log-replaced',
]);

/** So many records at once that somebody may be taking them away. The keys are those that risk scoring counts. */
export const bulk = any(
  ...['recordCount', 'records', 'rows', 'count'].map((key) => is(`details.${key}`, 'greater_than', 999)),
);

/** Records leave the application; an export may be asked for by POST, which is no reading by its category. */
export const anyExport = any(all(usesData, verbIs('export download print')), all(readsData, bulk));

/** A finding of detection, or another security event that is grave. */
export const securityAlarm = all(
  is('category', 'equals', 'security'),
  any(is('severity', 'in', ['high', 'critical']), is('action', 'matches', '^detection\\.')),
);
