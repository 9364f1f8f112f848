import { functionOf, group, oneOf } from '../event/option-schema.js';
import { fieldSelection } from './select-fields.js';
import type { FieldSelection } from './select-fields.js';
import type { ResolveOptions } from './resolvers.js';

/** What is captured of requests. */
export interface CaptureOptions {
  /**
   * Record every request, or only those of routes under `@Audit()`; then requests that reach no route are not recorded either.
   * @defaultValue `'all'`
   */
  readonly requests?: 'all' | 'annotated';
  /** Who acted, in whose data, from where; each has a default. */
  readonly resolve?: ResolveOptions;
  /** Query values to store, as `details['query.*']`, of requests that reach a controller. Redacted by key. @defaultValue `false` */
  readonly query?: FieldSelection;
  /**
   * Fields of the parsed body to store, as `details['body.*']`, of requests that reach a controller; dotted names for nested fields.
   * Redacted by key. @defaultValue `false`
   */
  readonly body?: FieldSelection;
}

const resolver = functionOf('a function of the request');
export const captureSchema = group({
  requests: oneOf(['all', 'annotated']),
  query: fieldSelection,
  body: fieldSelection,
  resolve: group({
    user: resolver,
    tenant: resolver,
    session: resolver,
    ip: resolver,
    actorType: resolver,
    impersonator: resolver,
    roles: resolver,
  } satisfies Record<keyof ResolveOptions, unknown>),
} satisfies Record<keyof CaptureOptions, unknown>);
