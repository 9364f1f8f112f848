// The feature `access`: nest-audit-trail/access.
import { defineFeature } from '../../engine/audit-feature.js';
import { filterWords } from './filter-words.js';
import { ReadRecorder } from './read-recorder.js';

/**
 * Records who reads the audit, with what filter, and how many events came back. What can't be recorded is not shown. See
 * `docs/comply/privacy.md`. It has no options.
 *
 * @example
 * ```ts
 * AuditModule.forRoot({ features: [access()] })
 * ```
 */
export const access = defineFeature('access', (_options: object, { audit, asked, redactor }) => ({
  reads: new ReadRecorder(filterWords(asked, redactor), audit),
}));
