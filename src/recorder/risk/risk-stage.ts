import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { verbOf } from '../classify.js';
import type { GivenJudgement, Judgement, Stage } from '../stage.js';
import type { RiskModel } from './risk-model.js';

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
 * Scores the event, and says why in `metadata.riskFactors`. A score that was given is left as it is. Where a feature
 * fails, what was added up before stays, and `metadata.stageErrors` names `risk`.
 */
export class RiskStage implements Stage {
  readonly name = 'risk';
  private readonly features: RiskFeature[] = [];

  constructor(private readonly model: RiskModel) {}

  /** Asks the feature as well, from now on. */
  add(feature: RiskFeature): void {
    this.features.push(feature);
  }

  judge(event: AuditLogEvent, { riskScore }: GivenJudgement): Judgement | undefined {
    if (riskScore !== undefined) return undefined;
    const { sum, factors } = this.model.score(event, verbOf(event.action, event.metadata['method']));
    if (this.features.length === 0) return { riskScore: Math.min(100, sum), riskFactors: factors };
    return this.judgeMore(event, sum, factors);
  }

  private judgeMore(event: AuditLogEvent, sum: number, factors: string[]): Judgement {
    let failed = false;
    try {
      for (const feature of this.features) {
        for (const [name, points] of feature.factors(event)) {
          if (points === 0) continue;
          factors.push(`${name}:${points}`);
          sum += points;
        }
      }
      for (const { rescore } of this.features) {
        if (!rescore) continue;
        const score = Math.min(100, sum);
        const own = scoreOf(rescore(event, { score, factors: [...factors] }));
        if (own === score) continue;
        // What this adds or takes away is a factor as well, so that the sum stays one.
        factors.push(`scorer:${own - sum}`);
        sum = own;
      }
    } catch {
      failed = true;
    }
    return { riskScore: Math.min(100, sum), riskFactors: factors, failed };
  }
}

function scoreOf(answer: unknown): number {
  if (!Number.isFinite(answer)) throw new TypeError('A risk score is a finite number.');
  return Math.min(100, Math.max(0, Math.round(answer as number)));
}
