import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { verbOf } from '../classify.js';
import type { GivenJudgement, Judgement, Stage } from '../stage.js';
import type { RiskFacts, RiskModel } from './risk-model.js';

/** Scores the event, and says why in `metadata.riskFactors`. A score that was given is left as it is. */
export class RiskStage implements Stage {
  readonly name = 'risk';

  constructor(
    private readonly model: RiskModel,
    private readonly memory: { facts(event: AuditLogEvent): RiskFacts },
  ) {}

  judge(event: AuditLogEvent, { riskScore }: GivenJudgement): Judgement | undefined {
    if (riskScore !== undefined) return undefined;
    const verb = verbOf(event.action, event.metadata['method']);
    const { score, factors, failed = false } = this.model.score(event, verb, this.memory.facts(event));
    return { riskScore: score, riskFactors: factors, failed };
  }
}
