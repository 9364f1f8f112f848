import type {
  AuditCategory,
  AuditLogEvent,
  AuditOutcome,
  AuditSeverity,
} from '../../event/audit-log-event.js';
import { SEVERITIES } from '../../event/audit-log-event.js';
import type { AuditVerb } from '../classify.js';
import { createOffHoursTest } from '../../features/risk/business-hours.js';
import type { BusinessHours } from '../../features/risk/business-hours.js';
import { checkInteger, checkNames, checkTexts, wrongOption } from './option-check.js';
import { CONTEXT_POINTS, RISK_POINTS, VOLUME_STEPS } from './risk-points.js';
import type { VolumeStep } from './risk-points.js';
import { VOLUME_KEYS } from './volume.js';

/** Points of each factor, integers 0-100. What is left out has its default, see `docs/risk.md`. */
export interface RiskWeights {
  readonly category?: Readonly<Partial<Record<AuditCategory, number>>>;
  /** Must not fall from `low` to `critical`: what is graver never scores less. */
  readonly severity?: Readonly<Partial<Record<AuditSeverity, number>>>;
  readonly outcome?: Readonly<Partial<Record<AuditOutcome, number>>>;
  readonly verb?: Readonly<Partial<Record<AuditVerb, number>>>;
  /** Outside of `businessHours`. */
  readonly offHours?: number;
  /** The actor has one of `privilegedRoles`. */
  readonly privilegedRole?: number;
  /** The user's address is new. */
  readonly newAddress?: number;
  /** The user's `User-Agent` is new. */
  readonly newDevice?: number;
  /** Many events in a short time, see `burst`. */
  readonly burst?: number;
  /** By a count of records: the highest step that is reached; an empty list for none. Replaces the default's steps. */
  readonly volume?: readonly VolumeStep[];
}

/** How the risk score of an event comes about. */
export interface RiskOptions {
  readonly weights?: RiskWeights;
  /** When people work. @defaultValue none: nothing is off hours */
  readonly businessHours?: BusinessHours;
  /** Compared without case. @defaultValue `['admin', 'administrator', 'root', 'superuser', 'owner']` */
  readonly privilegedRoles?: readonly string[];
  /** Keys of `details` that hold a count of records. @defaultValue `['recordCount', 'records', 'rows', 'count']` */
  readonly volumeKeys?: readonly string[];
  /** So many events of a user (else: of an address) in so many seconds. @defaultValue 120 in 10 seconds */
  readonly burst?: { readonly events: number; readonly seconds: number };
  /**
   * Replaces or wraps the score: gets the event with the default's score, and what made it; its answer is rounded and
   * brought into 0-100. What is no finite number, or an error, leaves the default's score.
   */
  readonly scorer?: (
    event: AuditLogEvent,
    risk: { readonly score: number; readonly factors: readonly string[] },
  ) => number;
}

type Context = keyof typeof CONTEXT_POINTS;
type Words = keyof typeof RISK_POINTS;

/** The options with their defaults, checked. */
export interface CheckedRisk extends Readonly<Record<Context, number>> {
  readonly category: Readonly<Record<AuditCategory, number>>;
  readonly severity: Readonly<Record<AuditSeverity, number>>;
  readonly outcome: Readonly<Record<AuditOutcome, number>>;
  readonly verb: Readonly<Record<AuditVerb, number>>;
  readonly volume: readonly VolumeStep[];
  readonly isOffHours: (timestamp: number) => boolean;
  readonly privilegedRoles: ReadonlySet<string>;
  readonly volumeKeys: readonly string[];
  readonly burstEvents: number;
  readonly burstMs: number;
  readonly scorer: RiskOptions['scorer'];
}

export const PRIVILEGED_ROLES: readonly string[] = ['admin', 'administrator', 'root', 'superuser', 'owner'];
export const BURST = { events: 120, seconds: 10 } as const;

/** Most events of a burst: each key that is watched may hold as many times. */
const MAX_BURST = 1_000;

/** @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `risk.weights.severity.high` */
export function checkRiskOptions(options: RiskOptions = {}): CheckedRisk {
  checkNames('risk', options, [
    'weights',
    'businessHours',
    'privilegedRoles',
    'volumeKeys',
    'burst',
    'scorer',
  ]);
  const { businessHours, privilegedRoles = PRIVILEGED_ROLES, volumeKeys = VOLUME_KEYS, scorer } = options;
  if (scorer !== undefined && typeof scorer !== 'function') {
    throw wrongOption('risk.scorer', scorer, 'a function of the event that answers a number');
  }
  const burst = { ...BURST, ...checkNames('risk.burst', options.burst, ['events', 'seconds']) };
  const roles = checkTexts('risk.privilegedRoles', privilegedRoles, "['admin']");
  return {
    ...checkWeights(options.weights),
    isOffHours: businessHours ? createOffHoursTest(businessHours, 'risk.businessHours') : () => false,
    privilegedRoles: new Set(roles.map((role) => role.toLowerCase())),
    volumeKeys: checkTexts('risk.volumeKeys', volumeKeys, "['recordCount']"),
    burstEvents: checkInteger('risk.burst.events', burst.events, 2, MAX_BURST),
    burstMs: checkInteger('risk.burst.seconds', burst.seconds, 1, 3_600) * 1_000,
    scorer,
  };
}

function checkWeights(
  weights: RiskWeights | undefined,
): Omit<CheckedRisk, 'isOffHours' | 'privilegedRoles' | 'volumeKeys' | 'burstEvents' | 'burstMs' | 'scorer'> {
  const path = 'risk.weights';
  const words = Object.keys(RISK_POINTS) as Words[];
  const context = Object.keys(CONTEXT_POINTS) as Context[];
  const given = checkNames(path, weights, [...words, ...context, 'volume']);
  const tables = words.map((factor) => [
    factor,
    pointsOf(`${path}.${factor}`, given[factor], RISK_POINTS[factor]),
  ]);
  const checked = {
    ...Object.fromEntries(tables),
    ...pointsOf(path, pick(given, context), CONTEXT_POINTS),
    volume: given['volume'] === undefined ? VOLUME_STEPS : stepsOf(`${path}.volume`, given['volume']),
  } as ReturnType<typeof checkWeights>;
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

/** The defaults with what is given over them. */
function pointsOf(
  path: string,
  given: unknown,
  defaults: Readonly<Record<string, number>>,
): Record<string, number> {
  const names = Object.keys(defaults);
  const own = checkNames(path, given, names);
  return Object.fromEntries(
    names.map((name) => [name, checkInteger(`${path}.${name}`, own[name] ?? defaults[name], 0, 100)]),
  );
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

function pick(source: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, source[name]]));
}
