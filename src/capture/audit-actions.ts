import type { AuditEventInput } from '../event/audit-event-input.js';
import type { AuditRouteContext, AuditRouteOptions } from './route-audit.js';

/** The types that the details of an action can have. One that ends in `?` may be left out. */
interface DetailValues {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
  readonly 'string[]': readonly string[];
  readonly 'number[]': readonly number[];
}
type DetailType = keyof DetailValues;

/** What an application's vocabulary says of one action. */
export interface AuditActionDefinition extends Pick<AuditRouteOptions, 'resource' | 'severity' | 'category'> {
  /** `resource.verb`, such as `invoice.refund`. */
  readonly action: string;
  /** What it means, for those who read the list of `nest-audit actions`. */
  readonly description?: string;
  /** The names and types of its details: `{ amount: 'number', 'note': 'string?' }`. The compiler checks them. */
  readonly details?: Readonly<Record<string, DetailType | `${DetailType}?`>>;
}

type ValueOf<Type> = Type extends DetailType
  ? DetailValues[Type]
  : Type extends `${infer Optional extends DetailType}?`
    ? DetailValues[Optional]
    : never;
type DetailsOf<Types> = {
  readonly [Name in keyof Types as Types[Name] extends DetailType ? Name : never]: ValueOf<Types[Name]>;
} & {
  readonly [Name in keyof Types as Types[Name] extends DetailType ? never : Name]?: ValueOf<Types[Name]>;
};
/** The details that fit the definition; any, where it names none. */
type Details<Definition extends AuditActionDefinition> = Definition extends { readonly details: infer Types }
  ? DetailsOf<Types>
  : Readonly<Record<string, unknown>>;

type ActionInput<Definition extends AuditActionDefinition> = Omit<AuditEventInput, 'action' | 'details'> &
  (Record<never, never> extends Details<Definition>
    ? { readonly details?: Details<Definition> }
    : { readonly details: Details<Definition> });
type ActionRoute<Definition extends AuditActionDefinition> = Omit<AuditRouteOptions, 'action' | 'details'> & {
  readonly details?: Details<Definition> | ((context: AuditRouteContext) => Details<Definition> | undefined);
};

/** One action of a vocabulary. It has the options of a route as its properties, and makes events where it is called. */
export type AuditAction<Definition extends AuditActionDefinition = AuditActionDefinition> = Pick<
  Definition,
  'action' | Extract<keyof Definition, 'resource' | 'severity' | 'category'>
> & {
  /** An event of this action, for `audit.record()`. */
  (
    ...input: Record<never, never> extends Details<Definition>
      ? [input?: ActionInput<Definition>]
      : [input: ActionInput<Definition>]
  ): AuditEventInput & { readonly action: Definition['action'] };
  /** The action with more options of a route, such as `details` of the declared types. */
  route(more: ActionRoute<Definition>): AuditRouteOptions & { readonly action: Definition['action'] };
};

/** A misspelt property does not compile. */
type OnlyKnown<Definitions> = {
  readonly [Name in keyof Definitions]: Readonly<
    Record<Exclude<keyof Definitions[Name], keyof AuditActionDefinition>, never>
  >;
};

/** Under which an action keeps its definition. The same in each copy of the package: the command line reads what the application has made. */
export const ACTION_DEFINITION = Symbol.for('nest-audit-trail:action');

/**
 * Declares the actions of an application once, so that the compiler knows them. A text stays valid as an action.
 *
 * @example
 * ```ts
 * export const actions = defineAuditActions({
 *   invoiceRefund: { action: 'invoice.refund', resource: 'invoice', severity: 'high', details: { amount: 'number' } },
 * });
 *
 * class InvoicesController {
 *   @Audit(actions.invoiceRefund) refund() {}
 * }
 * await audit.record(actions.invoiceRefund({ resourceId: '17', details: { amount: 120 } }));
 * ```
 */
export function defineAuditActions<const Definitions extends Readonly<Record<string, AuditActionDefinition>>>(
  definitions: Definitions & OnlyKnown<Definitions>,
): { readonly [Name in keyof Definitions]: AuditAction<Definitions[Name]> } {
  const entries = Object.entries(definitions).map(([name, definition]) => [name, actionOf(definition)]);
  return Object.freeze(Object.fromEntries(entries)) as never;
}

function actionOf(definition: AuditActionDefinition): unknown {
  const { description: _, details: _types, ...input } = definition;
  const make = (more: object = {}) => ({ ...input, ...more });
  // Spread, it gives the options of a route and no more.
  Object.defineProperties(make, { route: { value: make }, [ACTION_DEFINITION]: { value: definition } });
  return Object.freeze(Object.assign(make, input));
}
