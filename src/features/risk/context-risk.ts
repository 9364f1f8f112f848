import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { RiskFeature } from '../../recorder/risk/risk-stage.js';
import { CONTEXT_POINTS } from './risk-context-options.js';
import type { CheckedRiskContext } from './risk-context-options.js';
import type { RiskFacts } from './risk-memory.js';

const FACTORS = Object.keys(CONTEXT_POINTS) as (keyof typeof CONTEXT_POINTS)[];

/** What stands around an event, as points: when, from where, how fast; then the application's scorer. */
export function contextRisk(
  { weights, isOffHours, scorer }: CheckedRiskContext,
  factsOf: (event: AuditLogEvent) => RiskFacts,
): RiskFeature {
  return {
    factors: (event) => {
      const facts = { offHours: isOffHours(event.timestamp), ...factsOf(event) };
      return FACTORS.map((name) => [name, facts[name] ? weights[name] : 0]);
    },
    rescore:
      scorer &&
      ((event, risk) => {
        // A copy: what the application does to it must not become the event.
        const answer: unknown = scorer(structuredClone({ ...event, riskScore: risk.score }), risk);
        // A promise is no score; that it may fail as well must not end the process.
        if (typeof answer !== 'number') Promise.resolve(answer).catch(() => undefined);
        return answer as number;
      }),
  };
}
