import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { verbOf } from '../classify.js';
import type { GivenJudgement, Judgement, Stage } from '../stage.js';
import { checkRiskOptions } from './risk-options.js';
import type { CheckedRisk, RiskOptions } from './risk-options.js';
import { volumeOf } from './volume.js';

/** The order in which factors are listed; those of features stand after them. */
export const RISK_FACTORS = ['category', 'severity', 'outcome', 'verb', 'privilegedRole', 'volume'] as const;

/** A risk score with its reasons, as a feature and the application see it. */
export interface RiskScore {
  /** Integer, 0-100. */
  readonly score: number;
  /** `name:points` of each factor that counted: `['category:20', 'outcome:15']`. */
  readonly factors: readonly string[];
}

/** What a feature adds to the risk score. It is asked for every event before that is recorded, so it must be quick. */
export interface RiskFeature {
  /** More factors with their points, integers 0-100. One of 0 points is not listed. */
  readonly factors: (event: AuditLogEvent) => readonly (readonly [name: string, points: number])[];
  /** Replaces the score. The answer is rounded and brought into 0-100; what is no finite number is a failure. */
  readonly rescore?: ((event: AuditLogEvent, risk: RiskScore) => number) | undefined;
}

/**
 * Scores the event by a sum of named points, which anybody can add up, and says why in `metadata.riskFactors`. A score that was given is left as it is. Where a feature
 * fails, what was added up before stays, and `metadata.stageErrors` names `risk`.
 */
export class RiskStage implements Stage {
  readonly name = 'risk';
  private readonly risk: CheckedRisk;
  private readonly features: RiskFeature[] = [];

  /** @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `risk.weights.severity.high` */
  constructor(options: RiskOptions = {}) {
    this.risk = checkRiskOptions(options);
  }

  /** Asks the feature as well, from now on. */
  add(feature: RiskFeature): void {
    this.features.push(feature);
  }

  judge(event: AuditLogEvent, { riskScore }: GivenJudgement): Judgement | undefined {
    if (riskScore !== undefined) return undefined;
    const factors: string[] = [];
    let [sum, failed] = [0, false];
    const add = (name: string, points: number) => {
      if (points === 0) return;
      factors.push(`${name}:${points}`);
      sum += points;
    };
    const points = this.pointsOf(event);
    for (const name of RISK_FACTORS) add(name, points[name]);
    try {
      for (const feature of this.features) for (const factor of feature.factors(event)) add(...factor);
      for (const { rescore } of this.features) {
        if (!rescore) continue;
        const score = Math.min(100, sum);
        const own = rescore(event, { score, factors: [...factors] });
        if (!Number.isFinite(own)) throw new TypeError('A risk score is a finite number.');
        const rescored = Math.min(100, Math.max(0, Math.round(own)));
        // What this adds or takes away is a factor as well, so that the sum stays one.
        if (rescored !== score) add('scorer', rescored - sum);
      }
    } catch {
      failed = true;
    }
    const judgement = { riskScore: Math.min(100, sum), riskFactors: factors };
    return this.features.length === 0 ? judgement : { ...judgement, failed };
  }

  private pointsOf(event: AuditLogEvent): Record<(typeof RISK_FACTORS)[number], number> {
    const { risk } = this;
    const volume = volumeOf(event, risk.volumeKeys);
    return {
      category: risk.category[event.category],
      severity: risk.severity[event.severity],
      outcome: risk.outcome[event.outcome],
      verb: risk.verb[verbOf(event.action, event.metadata['method'])],
      privilegedRole: this.isPrivileged(event) ? risk.privilegedRole : 0,
      volume: risk.volume.findLast(({ from }) => volume >= from)?.points ?? 0,
    };
  }

  private isPrivileged({ metadata }: AuditLogEvent): boolean {
    const { privilegedRoles } = this.risk;
    const { roles } = metadata;
    if (roles === undefined) return false;
    return [roles].flat().some((role) => privilegedRoles.has(String(role).toLowerCase()));
  }
}
