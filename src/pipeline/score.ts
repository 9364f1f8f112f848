import type { AuditCategory, AuditOutcome, AuditSeverity } from '../event/audit-log-event.js';
import type { AuditVerb } from './classify.js';

/** Points of each factor; the risk score is their sum, at most 100. `docs/format.md` shows the same table. */
export const RISK_POINTS = {
  category: {
    data_access: 5,
    system: 5,
    data_modification: 15,
    authentication: 20,
    compliance: 25,
    authorization: 30,
    security: 35,
  },
  severity: { low: 0, medium: 10, high: 25, critical: 45 },
  outcome: { success: 0, partial: 10, failure: 15 },
  verb: { read: 0, list: 0, other: 5, create: 5, update: 10, delete: 15 },
} as const satisfies {
  category: Record<AuditCategory, number>;
  severity: Record<AuditSeverity, number>;
  outcome: Record<AuditOutcome, number>;
  verb: Record<AuditVerb, number>;
};

/** Scores from here on count as high risk. */
export const HIGH_RISK_FROM = 70;

/** How risky an event is, 0-100, as the sum of {@link RISK_POINTS}. */
export function scoreRisk(
  category: AuditCategory,
  severity: AuditSeverity,
  outcome: AuditOutcome,
  verb: AuditVerb,
): number {
  const points =
    RISK_POINTS.category[category] +
    RISK_POINTS.severity[severity] +
    RISK_POINTS.outcome[outcome] +
    RISK_POINTS.verb[verb];
  return Math.min(100, points);
}
