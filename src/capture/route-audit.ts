import type { DeliveryMode } from '../delivery/delivery-options.js';
import { AuditError } from '../event/audit-error.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import { CATEGORIES, SEVERITIES } from '../event/audit-log-event.js';
import type { AuditCategory, AuditOutcome, AuditSeverity } from '../event/audit-log-event.js';
import { checkOption, functionOf, group, oneOf, option } from '../event/option-schema.js';
import type { OptionSchema } from '../event/option-schema.js';
import { TEXT_LIMITS } from '../event/safe-text.js';
import { namesOfPattern } from './route-names.js';
import { fieldSelection } from './select-fields.js';
import type { FieldSelection } from './select-fields.js';
import type { CapturedRequest, RequestUser } from './resolvers.js';

/** What `AuditService.annotate()` may add to the event of the current request. */
export type AuditAnnotation = Partial<
  Omit<AuditEventInput, 'timestamp' | 'ipAddress' | 'userAgent' | 'riskScore' | 'complianceFlags'>
>;

/** What the functions in {@link AuditRouteOptions} may look at. They are called when the answer is ready. */
export interface AuditRouteContext {
  readonly request: CapturedRequest;
  readonly params: Readonly<Record<string, unknown>>;
  /**
   * `request.user`, also where the handler has logged the user out; its type is {@link AuditRequestUser}. `undefined` on a request without a
   * user: a function that reads it then costs its own value only.
   */
  readonly user: RequestUser;
  /**
   * What the handler returned; `undefined` when it threw, was never reached, or answered by itself (`@Res()`,
   * server-sent events). A function that fails on a request that was refused costs its own value only, silently.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a handler returns is the application's own type
  readonly result: any;
  /** The class name of what was thrown, where something was. */
  readonly errorName?: string;
}

/** What {@link AuditRouteOptions.annotate} may look at: how the request ends, and who acts as far as it is known. */
export interface AuditOutcomeContext extends AuditRouteContext {
  readonly outcome: AuditOutcome;
  readonly userId?: string | undefined;
  readonly tenantId?: string | undefined;
  readonly sessionId?: string | undefined;
}

/** What `@Audit()` says of a controller or a handler. A handler's word counts over its controller's. */
export interface AuditRouteOptions {
  /** The action. @defaultValue by route (`docs/reference/format.md#action-and-resource`) */
  readonly action?: string;
  /**
   * The resource, and the first part of the default action. @defaultValue by the controller's name
   * (`docs/reference/format.md#action-and-resource`)
   */
  readonly resource?: string;
  /**
   * A function that answers the id. @defaultValue by parameter, result or `Location`
   * (`docs/reference/format.md#resource-id`)
   */
  readonly resourceId?: (context: AuditRouteContext) => string | number | bigint | undefined | null;
  /** @defaultValue by category, outcome and verb (`docs/reference/format.md#severity`) */
  readonly severity?: AuditSeverity;
  /**
   * Counts whatever the status is. @defaultValue by method and status (`docs/reference/format.md#category-and-stage`)
   */
  readonly category?: AuditCategory;
  /**
   * A function; it may answer `undefined` for the default. @defaultValue by status
   * (`docs/reference/format.md#outcome`)
   */
  readonly outcome?: (context: AuditRouteContext) => AuditOutcome | undefined;
  /**
   * An object, or a function that answers one: facts of the business. Nested values become dotted keys, secret ones
   * are redacted by key.
   */
  readonly details?:
    | Readonly<Record<string, unknown>>
    | ((context: AuditRouteContext) => Readonly<Record<string, unknown>> | undefined);
  /**
   * A function of `{ outcome, userId, tenantId, sessionId }` and all that the others get, asked for each outcome that
   * the event may have. It says what depends on that, such as `{ action, severity }`; an empty text as `userId` or
   * `resourceId` means that there is none. What `AuditService.annotate()` says counts over it.
   */
  readonly annotate?: (context: AuditOutcomeContext) => Omit<AuditAnnotation, 'outcome'> | undefined;
  /**
   * `'durable'` or `'strict'`: what is promised of the event when its answer leaves
   * (`docs/reference/guarantees.md#modes-of-delivery`). Needs a journal. @defaultValue `delivery.mode`
   */
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
  /** No route has taken the request: what was declared on its way names nothing that was there. */
  readonly isNone?: boolean;
  readonly action: string;
  readonly resource: string;
  /** `InvoicesController.approve`, where the platform names its handlers. */
  readonly handler?: string | undefined;
}

/** What is declared of a route, as options: a text is the action. */
export function toRouteOptions(declared: string | AuditRouteOptions | false | undefined): AuditRouteOptions {
  return typeof declared === 'string' ? { action: declared } : { ...(declared as AuditRouteOptions) };
}

/** The metadata key under which a decorator leaves the options of a route. */
export const ROUTE_AUDIT_KEY = 'nest-audit-trail:audit';

function textUpTo(length: number): OptionSchema {
  return option(
    (value) => typeof value === 'string' && value !== '' && value.length <= length,
    `a text of 1 to ${length} characters`,
  );
}

const routeSchema = group({
  action: textUpTo(TEXT_LIMITS.action),
  resource: textUpTo(TEXT_LIMITS.resource),
  resourceId: functionOf('a function, ({ params }) => params.number'),
  severity: oneOf(SEVERITIES),
  category: oneOf(CATEGORIES),
  outcome: functionOf("a function, ({ errorName }) => (errorName ? 'partial' : undefined)"),
  details: option(
    (value) => typeof value === 'function' || (typeof value === 'object' && value !== null),
    'an object or a function, ({ result }) => ({ amount: result?.amount })',
  ),
  annotate: functionOf("a function, ({ outcome }) => (outcome === 'failure' ? { severity: 'high' } : {})"),
  delivery: oneOf(['durable', 'strict']),
  query: fieldSelection,
  body: fieldSelection,
} satisfies Record<keyof AuditRouteOptions, OptionSchema>);

/**
 * @param owner whose options they are, such as `@Audit() of InvoicesController.approve`
 * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option
 */
export function checkRouteOptions(declared: AuditRouteOptions, owner: string, mode: DeliveryMode): void {
  checkOption(routeSchema, declared, '', owner);
  if (!declared.delivery || mode !== 'buffered') return;
  throw new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `${owner}: delivery is "${declared.delivery}", which needs a journal; write delivery: { mode: 'durable' } among the options of the audit, or leave it out.`,
    { field: 'delivery' },
  );
}

/**
 * The route of a platform that names neither controllers nor handlers. What is not declared is read from its pattern.
 *
 * @param pattern `undefined` where no route was found, or a middleware answers
 */
export function routeOfPattern(
  method: string,
  pattern: string | undefined,
  declared: AuditRouteOptions,
  recorded: boolean,
): RouteAudit {
  const { resource: named, verb } = pattern === undefined ? UNROUTED : namesOfPattern(method, pattern);
  const resource = declared.resource ?? named;
  const action = declared.action ?? (pattern === undefined ? 'http.request' : `${resource}.${verb}`);
  return { ...declared, recorded, resource, action };
}

const UNROUTED = { resource: 'http', verb: 'request' };

/**
 * Whether what the handler returns can matter to its event. To look at it costs a trivial handler more than all the rest of the audit, so
 * it is done for those alone.
 *
 * @param pattern with the parameter `id` it names the resource
 */
export function needsResult(declared: AuditRouteOptions, pattern: string): boolean {
  const asks =
    typeof declared.details === 'function' || declared.resourceId || declared.outcome || declared.annotate;
  return Boolean(asks) || !/(^|\/):id(\/|$)/.test(pattern);
}
