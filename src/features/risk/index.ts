// The feature `riskContext`: nest-audit-trail/risk.
import { defineFeature } from '../../engine/audit-feature.js';
import { contextRisk } from './context-risk.js';
import { checkRiskContext } from './risk-context-options.js';
import type { RiskContextOptions } from './risk-context-options.js';
import { RiskMemory } from './risk-memory.js';
import { userHistory } from './user-history.js';

export type { BusinessHours } from './business-hours.js';
export type { RiskContextOptions, RiskContextWeights } from './risk-context-options.js';

declare module '../../engine/audit-feature.js' {
  interface FeatureOptions {
    /** Of the feature `risk()`; `risk` itself is an option of the core. */
    readonly riskContext?: RiskContextOptions;
  }
}

/**
 * Adds to the risk score what the event itself does not say: business hours, addresses and devices that are new for
 * the user, bursts, and a scorer of the application's own. See `docs/record/risk.md`.
 *
 * @example
 * ```ts
 * AuditModule.forRoot({
 *   features: [risk({ businessHours: { timeZone: 'Europe/Berlin', from: '08:00', to: '18:00' } })],
 * })
 * ```
 */
export const risk = defineFeature('riskContext', (given: RiskContextOptions, { database, logger }) => {
  const options = checkRiskContext(given);
  const memory = new RiskMemory(options, userHistory(database), logger);
  return {
    observe: (event) => memory.note(event),
    risk: contextRisk(options, (event) => memory.facts(event)),
  };
});
