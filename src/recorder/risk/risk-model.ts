import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { AuditVerb } from '../classify.js';
import { checkRiskOptions } from './risk-options.js';
import type { CheckedRisk, RiskOptions } from './risk-options.js';
import { volumeOf } from './volume.js';

/** What only memory knows of an event. */
export interface RiskFacts {
  readonly newAddress: boolean;
  readonly newDevice: boolean;
  readonly burst: boolean;
}

/** A score with its reasons. */
export interface Risk {
  /** Integer, 0-100: the sum of the factors' points, brought into that range. */
  readonly score: number;
  /** `name:points` of each factor that counted, in a fixed order: `['category:20', 'outcome:15']`. */
  readonly factors: readonly string[];
  /** The application's scorer failed: the score is the default's. */
  readonly failed?: true;
}

/** The order in which factors are listed. */
export const RISK_FACTORS = [
  'category',
  'severity',
  'outcome',
  'verb',
  'offHours',
  'privilegedRole',
  'volume',
  'newAddress',
  'newDevice',
  'burst',
] as const;

type Factor = (typeof RISK_FACTORS)[number];

/**
 * How risky an event is: a sum of named points, which anybody can add up. A pure function of the event, its verb, the
 * facts and the options.
 */
export class RiskModel {
  private readonly risk: CheckedRisk;

  /** @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `risk.weights.severity.high` */
  constructor(options: RiskOptions = {}) {
    this.risk = checkRiskOptions(options);
  }

  /** Never throws. */
  score(event: AuditLogEvent, verb: AuditVerb, facts: RiskFacts): Risk {
    const points = this.points(event, verb, facts);
    const factors: string[] = [];
    let sum = 0;
    for (const name of RISK_FACTORS) {
      if (points[name] === 0) continue;
      factors.push(`${name}:${points[name]}`);
      sum += points[name];
    }
    const score = Math.min(100, sum);
    if (!this.risk.scorer) return { score, factors };
    const own = this.scoreOfApplication(event, score, factors);
    if (own === undefined) return { score, factors, failed: true };
    // What the application adds or takes away is a factor as well, so that the sum stays one.
    return { score: own, factors: own === score ? factors : [...factors, `scorer:${own - sum}`] };
  }

  private points(event: AuditLogEvent, verb: AuditVerb, facts: RiskFacts): Record<Factor, number> {
    const { risk } = this;
    return {
      category: risk.category[event.category],
      severity: risk.severity[event.severity],
      outcome: risk.outcome[event.outcome],
      verb: risk.verb[verb],
      offHours: risk.isOffHours(event.timestamp) ? risk.offHours : 0,
      privilegedRole: this.isPrivileged(event) ? risk.privilegedRole : 0,
      volume: this.volumePoints(event),
      newAddress: facts.newAddress ? risk.newAddress : 0,
      newDevice: facts.newDevice ? risk.newDevice : 0,
      burst: facts.burst ? risk.burst : 0,
    };
  }

  private isPrivileged({ metadata }: AuditLogEvent): boolean {
    const { roles } = metadata;
    if (typeof roles === 'string') return this.risk.privilegedRoles.has(roles.toLowerCase());
    if (!Array.isArray(roles)) return false;
    for (const role of roles) if (this.risk.privilegedRoles.has(String(role).toLowerCase())) return true;
    return false;
  }

  private volumePoints(event: AuditLogEvent): number {
    const volume = volumeOf(event, this.risk.volumeKeys);
    return this.risk.volume.findLast(({ from }) => volume >= from)?.points ?? 0;
  }

  /** `undefined` where it fails. */
  private scoreOfApplication(
    event: AuditLogEvent,
    score: number,
    factors: readonly string[],
  ): number | undefined {
    try {
      // A copy: what the application does to it must not become the event.
      const own = structuredClone({ ...event, riskScore: score });
      const answer: unknown = this.risk.scorer?.(own, { score, factors: [...factors] });
      if (typeof answer === 'number' && Number.isFinite(answer)) {
        return Math.min(100, Math.max(0, Math.round(answer)));
      }
      // A promise is no score; that it may fail as well must not end the process.
      Promise.resolve(answer).catch(() => undefined);
    } catch {
      // As documented: the default's score stays.
    }
    return undefined;
  }
}
