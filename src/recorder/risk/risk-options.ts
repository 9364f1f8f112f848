import type { AuditCategory, AuditOutcome, AuditSeverity } from '../../event/audit-log-event.js';
import { SEVERITIES } from '../../event/audit-log-event.js';
import {
  checkOption,
  each,
  group,
  integer,
  list,
  ruled,
  texts,
  withDefaults,
} from '../../event/option-schema.js';
import type { AuditVerb } from '../classify.js';
import { PRIVILEGED_ROLE_POINTS, RISK_POINTS, VOLUME_STEPS } from './risk-points.js';
import type { VolumeStep } from './risk-points.js';
import { VOLUME_KEYS } from './volume.js';

/** Points of each factor, integers 0-100. What is left out has its default, see `docs/record/risk.md`. */
export interface RiskWeights {
  readonly category?: Readonly<Partial<Record<AuditCategory, number>>>;
  /** Must not fall from `low` to `critical`. */
  readonly severity?: Readonly<Partial<Record<AuditSeverity, number>>>;
  readonly outcome?: Readonly<Partial<Record<AuditOutcome, number>>>;
  readonly verb?: Readonly<Partial<Record<AuditVerb, number>>>;
  /** Points when the actor has one of `privilegedRoles`. @defaultValue 10 */
  readonly privilegedRole?: number;
  /**
   * Points by a count of records: the highest step that is reached. An empty list for none. Replaces the
   * default's steps.
   */
  readonly volume?: readonly VolumeStep[];
}

/** How the risk score of an event is made. */
export interface RiskOptions {
  readonly weights?: RiskWeights;
  /**
   * Names of privileged roles, in any case.
   * @defaultValue `['admin', 'administrator', 'root', 'superuser', 'owner']`
   */
  readonly privilegedRoles?: readonly string[];
  /**
   * Keys of `details` that have a count of records.
   * @defaultValue `['recordCount', 'records', 'rows', 'count']`
   */
  readonly volumeKeys?: readonly string[];
}

export const PRIVILEGED_ROLES: readonly string[] = ['admin', 'administrator', 'root', 'superuser', 'owner'];

export const points = integer(0, 100);

const STEPS = 'a list of steps, [{ from: 1000, points: 15 }]';
const step = group(
  { from: integer(1, Number.MAX_SAFE_INTEGER), points },
  { required: ['from', 'points'], write: '{ from: 1000, points: 15 }' },
);
const severities = ruled(each(SEVERITIES, points), (given: RiskWeights['severity']) => {
  const all = withDefaults(RISK_POINTS.severity, given);
  const place = SEVERITIES.findIndex(
    (severity, index) => all[severity] < all[SEVERITIES[index - 1] ?? severity],
  );
  if (place < 0) return undefined;
  const [before, severity] = [SEVERITIES[place - 1]!, SEVERITIES[place]!];
  return {
    at: [severity],
    fault: `is ${all[severity]}: write at least the ${all[before]} of ${before}, so that what is graver never scores less`,
  };
});
const steps = ruled(list(step, STEPS), (given: readonly VolumeStep[]) => {
  const place = given.findIndex(({ from }, index) => from <= (given[index - 1]?.from ?? 0));
  if (place < 0) return undefined;
  return {
    at: [place, 'from'],
    fault: `is ${given[place]!.from}: write the steps so that each is from more on than the one before`,
  };
});

export const riskSchema = group({
  weights: group({
    category: each(Object.keys(RISK_POINTS.category), points),
    severity: severities,
    outcome: each(Object.keys(RISK_POINTS.outcome), points),
    verb: each(Object.keys(RISK_POINTS.verb), points),
    privilegedRole: points,
    volume: steps,
  }),
  privilegedRoles: texts("a list of texts, ['admin']"),
  volumeKeys: texts("a list of texts, ['recordCount']"),
});

export type CheckedRisk = ReturnType<typeof checkRiskOptions>;

/**
 * The options with their defaults.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `risk.weights.severity.high`
 */
export function checkRiskOptions(options: RiskOptions = {}) {
  checkOption(riskSchema, options, 'risk');
  const { weights = {}, privilegedRoles = PRIVILEGED_ROLES, volumeKeys = VOLUME_KEYS } = options;
  return {
    category: withDefaults(RISK_POINTS.category, weights.category),
    severity: withDefaults(RISK_POINTS.severity, weights.severity),
    outcome: withDefaults(RISK_POINTS.outcome, weights.outcome),
    verb: withDefaults(RISK_POINTS.verb, weights.verb),
    privilegedRole: weights.privilegedRole ?? PRIVILEGED_ROLE_POINTS,
    volume: weights.volume ?? VOLUME_STEPS,
    privilegedRoles: new Set(privilegedRoles.map((role) => role.toLowerCase())),
    volumeKeys,
  };
}
