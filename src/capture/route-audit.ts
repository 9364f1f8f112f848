import type { AuditCategory, AuditOutcome, AuditSeverity } from '../event/audit-log-event.js';
import type { FieldSelection } from './select-fields.js';
import type { CapturedRequest } from './resolvers.js';

/** What the functions in {@link AuditRouteOptions} may look at. They are called when the answer is ready. */
export interface AuditRouteContext {
  readonly request: CapturedRequest;
  readonly params: Readonly<Record<string, unknown>>;
  /**
   * What the handler returned; `undefined` when it threw, was never reached, or answered by itself (`@Res()`,
   * server-sent events). A function that fails on a request that was refused costs its own value only, silently.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a handler returns is the application's own type
  readonly result: any;
  /** The class name of what was thrown, where something was. */
  readonly errorName?: string;
}

/** What `@Audit()` says of a controller or a handler. A handler's word counts over its controller's. */
export interface AuditRouteOptions {
  /** @defaultValue `resource.verb`, or `resource.handler-name` where the route is not CRUD */
  readonly action?: string;
  /** @defaultValue the controller's name, singular, in kebab case */
  readonly resource?: string;
  /** @defaultValue the route parameter `id`, else the `id` of the returned object */
  readonly resourceId?: (context: AuditRouteContext) => string | number | bigint | undefined | null;
  /** @defaultValue by category, outcome and verb */
  readonly severity?: AuditSeverity;
  /** @defaultValue by method and status */
  readonly category?: AuditCategory;
  /** @defaultValue by status; answer `undefined` for that */
  readonly outcome?: (context: AuditRouteContext) => AuditOutcome | undefined;
  /** Facts of the business to store; nested values become dotted keys, secret ones are redacted by key. */
  readonly details?:
    | Readonly<Record<string, unknown>>
    | ((context: AuditRouteContext) => Readonly<Record<string, unknown>> | undefined);
  /** What is promised of its event when its answer leaves. Needs a journal. @defaultValue `delivery.mode` */
  readonly delivery?: 'durable' | 'strict';
  /** Query values to store, as `details['query.*']`. @defaultValue `capture.query` */
  readonly query?: FieldSelection;
  /** Body fields to store, as `details['body.*']`. @defaultValue `capture.body` */
  readonly body?: FieldSelection;
}

/** All that a request's route says about its audit, worked out once per handler by the door. */
export interface RouteAudit extends Omit<AuditRouteOptions, 'action' | 'resource'> {
  /** Whether requests of this route are recorded where no policy says otherwise. */
  readonly recorded: boolean;
  /** `@NoAudit()`: they are not, whatever a policy says. */
  readonly silenced?: boolean;
  readonly action: string;
  readonly resource: string;
  /** `InvoicesController.approve` */
  readonly handler: string;
  /** Whether the handler's result can matter to the event, so that it must be looked at. */
  readonly seesResult: boolean;
}
