import type { AuditCategory, AuditOutcome, AuditSeverity } from '../../event/audit-log-event.js';
import type { RaisedEvent } from '../../event/raised-event.js';
import { defined } from '../../event/present.js';

/** What its events say. The caller says what kind of thing it is about, where `resource` is absent. */
export type AuthenticationAction = Pick<RaisedEvent, 'category' | 'severity' | 'outcome'> & {
  readonly resource?: string;
};

const says = (
  category: AuditCategory,
  severity: AuditSeverity,
  outcome: AuditOutcome,
  resource?: string,
): AuthenticationAction => ({ category, severity, outcome, ...defined({ resource }) });

/**
 * The actions, and what their events say unless the caller says otherwise. Names are those
 * of OWASP's Application Logging Vocabulary, chapters AUTHN, AUTHZ, PRIVILEGE, SESSION and USER, severities its levels:
 * INFO is `low`, WARN `medium`, CRITICAL `high`. The vocabulary has no words for impersonation; the last two are ours.
 */
export const AUTHENTICATION_ACTIONS = {
  authn_login_success: says('authentication', 'low', 'success', 'user'),
  authn_login_successafterfail: says('authentication', 'low', 'success', 'user'),
  authn_login_fail: says('authentication', 'medium', 'failure', 'user'),
  authn_login_fail_max: says('authentication', 'medium', 'failure', 'user'),
  authn_login_lock: says('authentication', 'medium', 'success', 'user'),
  authn_password_change: says('authentication', 'low', 'success', 'user'),
  authn_password_change_fail: says('authentication', 'high', 'failure', 'user'),
  authn_impossible_travel: says('authentication', 'high', 'success', 'user'),
  authn_token_created: says('authentication', 'low', 'success', 'token'),
  authn_token_revoked: says('authentication', 'low', 'success', 'token'),
  authn_token_reuse: says('authentication', 'high', 'failure', 'token'),
  authn_token_delete: says('authentication', 'medium', 'success', 'token'),
  authz_fail: says('authorization', 'high', 'failure'),
  authz_change: says('authorization', 'medium', 'success', 'user'),
  authz_admin: says('authorization', 'medium', 'success', 'administration'),
  privilege_permissions_changed: says('authorization', 'medium', 'success'),
  session_created: says('authentication', 'low', 'success', 'session'),
  session_renewed: says('authentication', 'low', 'success', 'session'),
  session_expired: says('authentication', 'low', 'success', 'session'),
  session_logout: says('authentication', 'low', 'success', 'session'),
  session_use_after_expire: says('authentication', 'high', 'failure', 'session'),
  user_created: says('security', 'medium', 'success', 'user'),
  user_updated: says('security', 'medium', 'success', 'user'),
  user_archived: says('security', 'medium', 'success', 'user'),
  user_deleted: says('security', 'medium', 'success', 'user'),
  'impersonation.start': says('authorization', 'medium', 'success', 'user'),
  'impersonation.end': says('authorization', 'medium', 'success', 'user'),
} as const;

export type AuthenticationActionName = keyof typeof AUTHENTICATION_ACTIONS;

/** The actions of what did not succeed, where these have names of their own. */
export const FAILURES: Partial<Record<AuthenticationActionName, AuthenticationActionName>> = {
  authn_login_success: 'authn_login_fail',
  authn_password_change: 'authn_password_change_fail',
};
