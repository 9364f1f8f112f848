import type { AuditCategory, AuditLogEvent, AuditSeverity } from '../../event/audit-log-event.js';

/** How a condition compares a field of the event with its value. `docs/comply/rules.md` says what each means. */
export const RULE_OPERATORS = [
  'equals',
  'not_equals',
  'contains',
  'not_contains',
  'greater_than',
  'less_than',
  'in',
  'not_in',
  'matches',
] as const;

export type RuleOperator = (typeof RULE_OPERATORS)[number];

/** What happens when a rule matches. Whatever it is, the rule's id stands in the event's `complianceFlags`. */
export const RULE_ACTIONS = ['log', 'alert', 'notify', 'escalate', 'block'] as const;

export type RuleAction = (typeof RULE_ACTIONS)[number];

/** The actions that the application does itself, by a handler. */
export const HANDLED_ACTIONS = ['alert', 'notify', 'escalate'] as const satisfies readonly RuleAction[];

export type HandledAction = (typeof HANDLED_ACTIONS)[number];

export function isHandled(action: RuleAction): action is HandledAction {
  return HANDLED_ACTIONS.includes(action as HandledAction);
}

/** What a condition can compare with. */
export type RuleValue = string | number | boolean;

/** One comparison. */
export interface RuleCondition {
  /** A field of the event by its name; a fact by its dotted key behind `details.` or `metadata.`. */
  readonly field: string;
  readonly operator: RuleOperator;
  /** A list for `in` and `not_in`, a single value for all others. */
  readonly value: RuleValue | readonly RuleValue[];
  /** Whether upper and lower case are the same, where texts are compared. @defaultValue `false` */
  readonly ignoreCase?: boolean;
}

/** A condition, or a group of them: all must be met, or any. Groups can be nested. */
export type RuleConditions =
  RuleCondition | { readonly all: readonly RuleConditions[] } | { readonly any: readonly RuleConditions[] };

/** What somebody wants to know of, as data: it can be kept as JSON. */
export interface ComplianceRule {
  /** Stored in `complianceFlags` of every event that the rule matches: never reuse one for another meaning. */
  readonly id: string;
  /** What a person reads: in a finding, and in the answer to a request that the rule blocks. */
  readonly name: string;
  readonly description?: string;
  /** Which clause of which standard it serves. */
  readonly clause?: string;
  /** What kind of finding it is. The event keeps its own. */
  readonly category: AuditCategory;
  /** How grave a finding it is. The event keeps its own. */
  readonly severity: AuditSeverity;
  readonly conditions: RuleConditions;
  /** @defaultValue `['log']` */
  readonly actions?: readonly RuleAction[];
  /** @defaultValue `true` */
  readonly enabled?: boolean;
}

/** A rule that matches an event, as a handler is told of it. */
export interface ComplianceFinding {
  readonly rule: ComplianceRule;
  readonly action: HandledAction;
  /** A copy of the event as it is stored. It contains what clients sent: escape it before it is shown. */
  readonly event: AuditLogEvent;
}

/**
 * What an application does on a finding. It is called after the event was recorded, outside the request.
 * One that throws, rejects or takes too long is called again, so it may see a finding twice.
 */
export type ComplianceHandler = (finding: ComplianceFinding) => void | Promise<void>;

export type ComplianceHandlers = Readonly<Partial<Record<HandledAction, ComplianceHandler>>>;

/** The rule packs that come with the library, each for a standard. */
export const COMPLIANCE_PACK_NAMES = ['sox', 'gdpr', 'hipaa', 'pci-dss', 'iso-27001'] as const;

export type CompliancePack = (typeof COMPLIANCE_PACK_NAMES)[number];

/** Which rules are tried on every event. */
export interface ComplianceOptions {
  /** Rule packs of the library. They come first, in this order. @defaultValue none */
  readonly packs?: readonly CompliancePack[];
  /** Rules of the application's own. */
  readonly rules?: readonly ComplianceRule[];
  /** Ids of rules that are off, whatever they say themselves. */
  readonly disabled?: readonly string[];
  /** Ids of rules that are on, whatever they say themselves. */
  readonly enabled?: readonly string[];
  /** What is done on `alert`, `notify` and `escalate`. Each that an enabled rule names must be here. */
  readonly handlers?: ComplianceHandlers;
}
