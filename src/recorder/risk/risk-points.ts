import type { AuditCategory, AuditOutcome, AuditSeverity } from '../../event/audit-log-event.js';
import type { AuditVerb } from '../classify.js';

/** Points of what the event itself says, by default. `docs/record/risk.md` shows the same table. */
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

/** Points of an actor who has one of the privileged roles, by default. */
export const PRIVILEGED_ROLE_POINTS = 10;

/** From so many records on, so many points; the highest step that is reached counts alone. */
export interface VolumeStep {
  readonly from: number;
  readonly points: number;
}

/** Points of a count of records, by default. */
export const VOLUME_STEPS: readonly VolumeStep[] = [
  { from: 100, points: 5 },
  { from: 1_000, points: 15 },
  { from: 10_000, points: 25 },
];

/** Scores from here on count as high risk. */
export const HIGH_RISK_FROM = 70;
