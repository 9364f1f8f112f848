import type { AuditLogEvent } from 'nest-audit-trail';
import { createEventId } from '../../src/event/event-id.js';
import type { AuditVerb } from '../../src/recorder/classify.js';
import type { RiskOptions } from '../../src/recorder/risk/risk-options.js';
import { RiskStage } from '../../src/recorder/risk/risk-stage.js';
import type { RiskFeature } from '../../src/recorder/risk/risk-stage.js';
import type { Judgement } from '../../src/recorder/stage.js';

/** An event that nothing but its category makes risky, with what the test says over it. */
export function judged(more: Partial<AuditLogEvent> = {}): AuditLogEvent {
  const timestamp = more.timestamp ?? Date.now();
  return {
    id: createEventId(timestamp),
    timestamp,
    tenantId: 'acme',
    action: 'invoice.read',
    resource: 'invoice',
    details: {},
    severity: 'low',
    category: 'data_access',
    outcome: 'success',
    riskScore: 0,
    complianceFlags: [],
    metadata: {},
    ...more,
  };
}

/** What the stage says of the event, as one of this verb. */
export function scored(
  event: AuditLogEvent,
  verb: AuditVerb,
  options: RiskOptions = {},
  ...features: RiskFeature[]
): Judgement & Required<Pick<Judgement, 'riskScore' | 'riskFactors'>> {
  const stage = new RiskStage(options);
  for (const feature of features) stage.add(feature);
  return stage.judge({ ...event, action: `invoice.${verb}` }, {}) as ReturnType<typeof scored>;
}

/** What the factors say, such as `category:20`, added up and cut at 100. */
export function sumOf(factors: readonly string[]): number {
  return Math.min(
    100,
    factors.reduce((total, factor) => total + Number(factor.split(':')[1]), 0),
  );
}
