// The feature `listeners`: nest-audit-trail/listeners.
import { defineFeature } from '../../engine/audit-feature.js';
import { explorer } from './nest.js';

export { OnAuditEvent } from './on-audit-event.decorator.js';
export type { AuditEventFilter } from './event-conditions.js';

/**
 * Calls the methods that {@link OnAuditEvent} marks. Needs Nest, without which it is refused. It has no options.
 *
 * @example
 * ```ts
 * AuditModule.forRoot({ features: [listeners()] })
 * ```
 */
export const listeners = defineFeature('listeners', () => ({}), { providers: [explorer] });
