// The feature `health`: nest-audit-trail/health.
import { defineFeature } from '../../engine/audit-feature.js';
import { AuditHealthIndicator } from './audit-health.indicator.js';

export { AuditHealthIndicator } from './audit-health.indicator.js';
export type { AuditHealth, AuditHealthOptions } from './audit-health.indicator.js';

/** Tells whether the audit is well by the injected {@link AuditHealthIndicator}. See `docs/operate/observability.md`. It has no options. */
export const health = defineFeature(
  'health',
  (_options: object, { audit, events }) => ({ service: new AuditHealthIndicator(audit, events) }),
  { service: AuditHealthIndicator },
);
