import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { checkOption, each, functionOf, group, integer, withDefaults } from '../../event/option-schema.js';
import { points } from '../../recorder/risk/risk-options.js';
import type { RiskScore } from '../../recorder/risk/risk-stage.js';
import { businessHoursSchema, createOffHoursTest } from './business-hours.js';
import type { BusinessHours } from './business-hours.js';

/** Points of each factor, integers 0-100. What is left out has its default, see `docs/record/risk.md`. */
export interface RiskContextWeights {
  /** Outside of `businessHours`. */
  readonly offHours?: number;
  /** The user's address is new. */
  readonly newAddress?: number;
  /** The user's `User-Agent` is new. */
  readonly newDevice?: number;
  /** Many events in a short time, see `burst`. */
  readonly burst?: number;
}

/** What counts for the risk score beside the event itself. */
export interface RiskContextOptions {
  readonly weights?: RiskContextWeights;
  /** When people work. @defaultValue none: nothing is off hours */
  readonly businessHours?: BusinessHours;
  /** So many events of a user (else: of an address) in so many seconds. @defaultValue 120 in 10 seconds */
  readonly burst?: { readonly events: number; readonly seconds: number };
  /**
   * Replaces or wraps the score: gets the event with its score so far, and what made it. Its answer is rounded and
   * brought into 0-100. What is no finite number, or an error, leaves the score as it was.
   */
  readonly scorer?: (event: AuditLogEvent, risk: RiskScore) => number;
}

/** The options with their defaults, checked. */
export type CheckedRiskContext = ReturnType<typeof checkRiskContext>;

/** Points by default, in the order in which the factors are listed. */
export const CONTEXT_POINTS = { offHours: 10, newAddress: 10, newDevice: 5, burst: 15 } as const;
export const BURST = { events: 120, seconds: 10 } as const;

/** Most events of a burst: so many times are kept for each key. */
const MAX_BURST = 1_000;

export const riskContextSchema = group({
  weights: each(Object.keys(CONTEXT_POINTS), points),
  businessHours: businessHoursSchema,
  burst: group({ events: integer(2, MAX_BURST), seconds: integer(1, 3_600) }),
  scorer: functionOf('a function of the event that answers a number'),
});

/** @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `risk.businessHours.from` */
export function checkRiskContext(options: RiskContextOptions) {
  checkOption(riskContextSchema, options, 'risk');
  const { weights, businessHours, scorer } = options;
  const burst = withDefaults(BURST, options.burst);
  return {
    weights: withDefaults(CONTEXT_POINTS, weights),
    isOffHours: businessHours ? createOffHoursTest(businessHours) : () => false,
    burstEvents: burst.events,
    burstMs: burst.seconds * 1_000,
    scorer,
  };
}
