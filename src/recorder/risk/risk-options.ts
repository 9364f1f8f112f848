import type { AuditCategory, AuditOutcome, AuditSeverity } from '../../event/audit-log-event.js';
import { SEVERITIES } from '../../event/audit-log-event.js';
import type { AuditVerb } from '../classify.js';
import { checkInteger, checkNames, checkPoints, checkTexts, wrongOption } from './option-check.js';
import { PRIVILEGED_ROLE_POINTS, RISK_POINTS, VOLUME_STEPS } from './risk-points.js';
import type { VolumeStep } from './risk-points.js';
import { VOLUME_KEYS } from './volume.js';

/** Points of each factor, integers 0-100. What is left out has its default, see `docs/risk.md`. */
export interface RiskWeights {
  readonly category?: Readonly<Partial<Record<AuditCategory, number>>>;
  /** Must not fall from `low` to `critical`: what is graver never scores less. */
  readonly severity?: Readonly<Partial<Record<AuditSeverity, number>>>;
  readonly outcome?: Readonly<Partial<Record<AuditOutcome, number>>>;
  readonly verb?: Readonly<Partial<Record<AuditVerb, number>>>;
  /** The actor has one of `privilegedRoles`. */
  readonly privilegedRole?: number;
  /** By a count of records: the highest step that is reached; an empty list for none. Replaces the default's steps. */
  readonly volume?: readonly VolumeStep[];
}

/** How the risk score of an event comes about. */
export interface RiskOptions {
  readonly weights?: RiskWeights;
  /** Compared without case. @defaultValue `['admin', 'administrator', 'root', 'superuser', 'owner']` */
  readonly privilegedRoles?: readonly string[];
  /** Keys of `details` that hold a count of records. @defaultValue `['recordCount', 'records', 'rows', 'count']` */
  readonly volumeKeys?: readonly string[];
}

/** The options with their defaults, checked. */
export interface CheckedRisk {
  readonly category: Readonly<Record<AuditCategory, number>>;
  readonly severity: Readonly<Record<AuditSeverity, number>>;
  readonly outcome: Readonly<Record<AuditOutcome, number>>;
  readonly verb: Readonly<Record<AuditVerb, number>>;
  readonly privilegedRole: number;
  readonly volume: readonly VolumeStep[];
  readonly privilegedRoles: ReadonlySet<string>;
  readonly volumeKeys: readonly string[];
}

export const PRIVILEGED_ROLES: readonly string[] = ['admin', 'administrator', 'root', 'superuser', 'owner'];

/** @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `risk.weights.severity.high` */
export function checkRiskOptions(options: RiskOptions = {}): CheckedRisk {
  checkNames('risk', options, ['weights', 'privilegedRoles', 'volumeKeys']);
  const { privilegedRoles = PRIVILEGED_ROLES, volumeKeys = VOLUME_KEYS } = options;
  const roles = checkTexts('risk.privilegedRoles', privilegedRoles, "['admin']");
  return {
    ...checkWeights('risk.weights', options.weights),
    privilegedRoles: new Set(roles.map((role) => role.toLowerCase())),
    volumeKeys: checkTexts('risk.volumeKeys', volumeKeys, "['recordCount']"),
  };
}

function checkWeights(
  path: string,
  weights: RiskWeights | undefined,
): Omit<CheckedRisk, 'privilegedRoles' | 'volumeKeys'> {
  const given = checkNames(path, weights, [...Object.keys(RISK_POINTS), 'privilegedRole', 'volume']);
  const table = <Word extends string>(factor: string, defaults: Readonly<Record<Word, number>>) =>
    checkPoints(`${path}.${factor}`, given[factor], defaults);
  const { privilegedRole = PRIVILEGED_ROLE_POINTS, volume } = given;
  const checked = {
    category: table('category', RISK_POINTS.category),
    severity: table('severity', RISK_POINTS.severity),
    outcome: table('outcome', RISK_POINTS.outcome),
    verb: table('verb', RISK_POINTS.verb),
    privilegedRole: checkInteger(`${path}.privilegedRole`, privilegedRole, 0, 100),
    volume: volume === undefined ? VOLUME_STEPS : stepsOf(`${path}.volume`, volume),
  };
  SEVERITIES.reduce((before, severity) => {
    const [least, points] = [checked.severity[before], checked.severity[severity]];
    if (points >= least) return severity;
    throw wrongOption(
      `${path}.severity.${severity}`,
      points,
      `at least the ${least} of ${before}, so that what is graver never scores less`,
    );
  });
  return checked;
}

function stepsOf(path: string, steps: unknown): readonly VolumeStep[] {
  if (!Array.isArray(steps)) {
    throw wrongOption(path, steps, 'a list of steps, [{ from: 1000, points: 15 }]');
  }
  let before = 0;
  return steps.map((step: unknown, index) => {
    const { from, points } = checkNames(`${path}.${index}`, step, ['from', 'points']);
    const checked = {
      from: checkInteger(`${path}.${index}.from`, from, before + 1, Number.MAX_SAFE_INTEGER),
      points: checkInteger(`${path}.${index}.points`, points, 0, 100),
    };
    before = checked.from;
    return checked;
  });
}
