// The feature `metrics`: nest-audit-trail/metrics.
import { defineFeature } from '../../engine/audit-feature.js';
import { loadMetrics } from './report-metrics.js';
import type { ReportMetrics } from './report-metrics.js';

/**
 * Reports how delivery fares as OpenTelemetry metrics, to the application's global meter provider. Needs the package
 * `@opentelemetry/api`. See `docs/operate/observability.md`. It has no options.
 *
 * @example
 * ```ts
 * AuditModule.forRoot({ features: [metrics()], service: { name: 'billing-api' } })
 * ```
 */
export const metrics = defineFeature('metrics', (_options: object, { audit, program }) => {
  let report: ReportMetrics | undefined;
  let stop: (() => void) | undefined;
  return {
    prepare: async () => void (report = await loadMetrics()),
    start: () => (stop = report?.(() => audit.status(), program)),
    end: () => stop?.(),
  };
});
