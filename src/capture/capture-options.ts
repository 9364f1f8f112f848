import type { FieldSelection } from './select-fields.js';
import type { ResolveOptions } from './resolvers.js';

/** What is captured of requests. */
export interface CaptureOptions {
  /** Record every request, or only those of routes under `@Audit()`. @defaultValue `'all'` */
  readonly requests?: 'all' | 'annotated';
  /** Who acted, in whose data, from where; each has a default. */
  readonly resolve?: ResolveOptions;
  /** Query values to store, as `details['query.*']`, redacted by key. @defaultValue `false` */
  readonly query?: FieldSelection;
  /** Body fields to store, as `details['body.*']`, redacted by key. @defaultValue `false` */
  readonly body?: FieldSelection;
}
