import { functionOf, group, oneOf } from '../event/option-schema.js';
import { fieldSelection } from './select-fields.js';
import type { FieldSelection } from './select-fields.js';
import type { ResolveOptions } from './resolvers.js';

/** What is captured of requests. */
export interface CaptureOptions {
  /**
   * Record every request, or only those of routes under `@Audit()`. With `'annotated'`, requests that reach
   * no route are not recorded.
   * @defaultValue `'all'`
   */
  readonly requests?: 'all' | 'annotated';
  /** How to find who acted, for which tenant, from where. */
  readonly resolve?: ResolveOptions;
  /**
   * Query values to store as `details['query.*']`, of requests that reach a controller. Redacted by key.
   * @defaultValue `false`
   */
  readonly query?: FieldSelection;
  /**
   * Fields of the parsed body to store as `details['body.*']`, of requests that reach a controller. Dotted
   * names for nested fields. Redacted by key.
   * @defaultValue `false`
   */
  readonly body?: FieldSelection;
}

/** Whether requests are recorded where nothing was declared of them. */
export function recordsAll({ requests = 'all' }: CaptureOptions): boolean {
  return requests === 'all';
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
