import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { AuditVerb } from '../classify.js';
import { checkRiskOptions } from './risk-options.js';
import type { CheckedRisk, RiskOptions } from './risk-options.js';
import { volumeOf } from './volume.js';

/** A sum of points with its reasons. */
export interface Risk {
  /** The sum of the factors' points, which can be more than 100. */
  readonly sum: number;
  /** `name:points` of each factor that counted, in a fixed order: `['category:20', 'outcome:15']`. */
  readonly factors: string[];
}

/** The order in which factors are listed; those of features stand after them. */
export const RISK_FACTORS = ['category', 'severity', 'outcome', 'verb', 'privilegedRole', 'volume'] as const;

type Factor = (typeof RISK_FACTORS)[number];

/**
 * How risky an event is: a sum of named points, which anybody can add up. A pure function of the event, its verb and
 * the options.
 */
export class RiskModel {
  private readonly risk: CheckedRisk;

  /** @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `risk.weights.severity.high` */
  constructor(options: RiskOptions = {}) {
    this.risk = checkRiskOptions(options);
  }

  /** Never throws. */
  score(event: AuditLogEvent, verb: AuditVerb): Risk {
    const { risk } = this;
    const points: Record<Factor, number> = {
      category: risk.category[event.category],
      severity: risk.severity[event.severity],
      outcome: risk.outcome[event.outcome],
      verb: risk.verb[verb],
      privilegedRole: this.isPrivileged(event) ? risk.privilegedRole : 0,
      volume: this.volumePoints(event),
    };
    const factors: string[] = [];
    let sum = 0;
    for (const name of RISK_FACTORS) {
      if (points[name] === 0) continue;
      factors.push(`${name}:${points[name]}`);
      sum += points[name];
    }
    return { sum, factors };
  }

  private isPrivileged({ metadata }: AuditLogEvent): boolean {
    const { privilegedRoles } = this.risk;
    const { roles } = metadata;
    if (roles === undefined) return false;
    return [roles].flat().some((role) => privilegedRoles.has(String(role).toLowerCase()));
  }

  private volumePoints(event: AuditLogEvent): number {
    const volume = volumeOf(event, this.risk.volumeKeys);
    return this.risk.volume.findLast(({ from }) => volume >= from)?.points ?? 0;
  }
}
