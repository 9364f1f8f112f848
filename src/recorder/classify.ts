import type { AuditCategory, AuditOutcome, AuditSeverity } from '../event/audit-log-event.js';

/** What an action does to its resource, by the last part of its name or the request's method. */
export type AuditVerb = 'read' | 'list' | 'create' | 'update' | 'delete' | 'other';

const CRUD_VERBS = new Set<AuditVerb>(['read', 'list', 'create', 'update', 'delete']);

/** `invoice.delete` → `delete`; else by the HTTP method; `other` where neither tells. */
export function verbOf(action: string, method?: unknown): AuditVerb {
  const last = action.slice(action.lastIndexOf('.') + 1) as AuditVerb;
  if (CRUD_VERBS.has(last)) return last;
  switch (method) {
    case 'GET':
    case 'HEAD':
      return 'read';
    case 'PUT':
    case 'PATCH':
      return 'update';
    case 'DELETE':
      return 'delete';
    default:
      return 'other';
  }
}

/** The category of an action recorded by the application that names none. */
export function defaultCategory(action: string): AuditCategory {
  return /\.(read|list|export)$/.test(action) ? 'data_access' : 'data_modification';
}

const SEVERITY: Record<AuditCategory, Record<AuditOutcome, AuditSeverity>> = {
  data_access: { success: 'low', partial: 'low', failure: 'low' },
  data_modification: { success: 'low', partial: 'medium', failure: 'medium' },
  authentication: { success: 'low', partial: 'medium', failure: 'medium' },
  authorization: { success: 'low', partial: 'medium', failure: 'high' },
  system: { success: 'low', partial: 'low', failure: 'low' },
  security: { success: 'medium', partial: 'medium', failure: 'medium' },
  compliance: { success: 'medium', partial: 'medium', failure: 'high' },
};

/**
 * The default severity: a table of category and outcome, one step higher for a deletion that changes data.
 * `critical` is never a default; the application says what is.
 */
export function defaultSeverity(
  category: AuditCategory,
  outcome: AuditOutcome,
  verb: AuditVerb,
): AuditSeverity {
  const severity = SEVERITY[category][outcome];
  if (category !== 'data_modification' || verb !== 'delete') return severity;
  return severity === 'low' ? 'medium' : 'high';
}
