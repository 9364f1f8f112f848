import { CATEGORIES, OUTCOMES, SEVERITIES } from '../event/audit-log-event.js';
import type { AuditCategory, AuditOutcome, AuditSeverity } from '../event/audit-log-event.js';
import { HIGH_RISK_FROM } from '../recorder/risk/risk-points.js';
import type { AuditEventRepository, EventCounts } from '../store/audit-event.repository.js';
import type { EventFilter } from '../store/event-filter.js';
import { AuditFilterDto, WholeNumber, Word } from './audit-query.dto.js';
import type { AuditScope } from './audit-scope.js';

/** The width of a histogram's columns. */
export type AuditInterval = 'minute' | 'hour' | 'day';

const INTERVALS: Readonly<Record<AuditInterval, number>> = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};

/** Events of a query in figures. */
export interface AuditStatistics {
  readonly total: number;
  /** Only values that occur. */
  readonly byCategory: Partial<Record<AuditCategory, number>>;
  readonly bySeverity: Partial<Record<AuditSeverity, number>>;
  readonly byOutcome: Partial<Record<AuditOutcome, number>>;
  /** 0-100, not rounded; 0 where there are no events. */
  readonly meanRiskScore: number;
  /** Events with a risk score of 70 or more. */
  readonly highRiskCount: number;
  /** Events that matched at least one compliance rule. */
  readonly complianceViolations: number;
  /** Most frequent first. */
  readonly topActions: readonly { readonly action: string; readonly count: number }[];
  readonly topUsers: readonly { readonly userId: string; readonly count: number }[];
  /** Events per interval, oldest first; `timestamp` is the interval's first millisecond (UTC). Empty ones are left out, and all but the newest 10,000. */
  readonly histogram: readonly { readonly timestamp: number; readonly count: number }[];
}

/** A year of hours fits. A row with an absurd time adds one column, however long the span becomes. */
const MAX_COLUMNS = 10_000;

/** Which events are counted, and how. */
export class AuditStatisticsQueryDto extends AuditFilterDto {
  /** How many actions and users to list, 1-100. @defaultValue 10 */
  @WholeNumber(1, 100)
  readonly top?: number;

  /** The histogram's columns. @defaultValue fitting the span of the events */
  @Word(Object.keys(INTERVALS))
  readonly interval?: AuditInterval;
}

export type AuditStatisticsQuery = AuditStatisticsQueryDto & AuditScope;

/**
 * @param top how many actions and users to list
 * @param interval the histogram's columns; by default the widest of which the events' span has at least 24
 */
export async function computeStatistics(
  repository: AuditEventRepository,
  filter: EventFilter,
  top = 10,
  interval?: AuditInterval,
): Promise<AuditStatistics> {
  const totals = await repository.totals(filter, HIGH_RISK_FROM);
  const spanMs = (totals.last ?? 0) - (totals.first ?? 0);
  const bucketMs = INTERVALS[interval ?? fittingInterval(spanMs)];
  const categories = await repository.countBy(filter, 'category', CATEGORIES.length);
  const severities = await repository.countBy(filter, 'severity', SEVERITIES.length);
  const outcomes = await repository.countBy(filter, 'outcome', OUTCOMES.length);
  const actions = await repository.countBy(filter, 'action', top);
  const users = await repository.countBy(filter, 'user_id', top);
  return {
    total: totals.total,
    byCategory: toRecord(categories),
    bySeverity: toRecord(severities),
    byOutcome: toRecord(outcomes),
    meanRiskScore: totals.meanRisk,
    highRiskCount: totals.highRisk,
    complianceViolations: totals.violations,
    topActions: actions.map(({ value, count }) => ({ action: value, count })),
    topUsers: users.map(({ value, count }) => ({ userId: value, count })),
    histogram: await repository.histogram(filter, bucketMs, MAX_COLUMNS),
  };
}

function fittingInterval(spanMs: number): AuditInterval {
  if (spanMs >= 24 * INTERVALS.day) return 'day';
  return spanMs >= 24 * INTERVALS.hour ? 'hour' : 'minute';
}

function toRecord(counts: EventCounts): Record<string, number> {
  return Object.fromEntries(counts.map(({ value, count }) => [value, count]));
}
