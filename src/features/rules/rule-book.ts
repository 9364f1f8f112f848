import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { conditionsIn, show } from './check-condition.js';
import { checkHandlers, checkRule, faultOf } from './check-rule.js';
import type { CheckedRule } from './check-rule.js';
import { compileConditions } from './compile-condition.js';
import type { Predicate } from './compile-condition.js';
import type { ComplianceHandlers } from './compliance-rule.js';
import { EventValues } from './event-values.js';
import { isSentField } from './sent-value.js';
import { SentValues } from './sent-values.js';

/** Rules that a book can have. */
export const MAX_RULES = 1_000;

interface CompiledRule {
  readonly rule: CheckedRule;
  readonly isMet: Predicate;
}

/**
 * The compliance rules of an application: checked and compiled once, then tried on every event. Nothing of it does I/O, and a change makes
 * another book. It keeps some of the last texts, and which patterns were found in them.
 */
export class RuleBook {
  /** What the rules that block read of what a client sent. */
  readonly sent: SentValues;
  readonly canBlock: boolean;
  private readonly values = new EventValues(false);
  private readonly valuesBefore = new EventValues(true);
  private readonly enabled: readonly CompiledRule[];
  private readonly blockers: readonly CompiledRule[];

  /**
   * @param rules all of them, checked, in their order
   * @param handlers those of the application, without which no rule may ask for them
   */
  constructor(
    readonly rules: readonly CheckedRule[],
    private readonly handlers: ComplianceHandlers,
  ) {
    const enabled = rules.filter((rule) => rule.enabled);
    const blockers = enabled.filter(({ actions }) => actions.includes('block'));
    this.enabled = compiled(enabled, this.values);
    this.blockers = compiled(blockers, this.valuesBefore);
    this.canBlock = blockers.length > 0;
    const fields = blockers.flatMap(({ conditions }) =>
      Array.from(conditionsIn(conditions), ([, { field }]) => field),
    );
    const sent = new Set(fields.filter(isSentField));
    // The event has it.
    sent.delete('resourceId');
    this.sent = new SentValues(Array.from(sent, (field) => field.slice('details.'.length)));
  }

  /** The enabled rules that match, in their order. */
  matching(event: AuditLogEvent): readonly CheckedRule[] {
    this.values.see(event);
    return this.enabled.filter(({ isMet }) => isMet()).map(({ rule }) => rule);
  }

  /** The first enabled rule that blocks and matches. @param event what is known of the request before its handler, body and query included */
  blocking(event: AuditLogEvent): CheckedRule | undefined {
    this.valuesBefore.see(event);
    return this.blockers.find(({ isMet }) => isMet())?.rule;
  }

  /**
   * The book with this rule: it replaces the one with its id, or comes after all others.
   *
   * @throws AuditError `AUDIT_INVALID_RULE`, naming rule and field
   */
  set(given: unknown): RuleBook {
    const fault = faultOf(given);
    const rule = checkRule(given, fault);
    checkHandlers(rule, this.handlers, fault);
    const index = this.rules.findIndex(({ id }) => id === rule.id);
    if (index >= 0) return new RuleBook(this.rules.with(index, rule), this.handlers);
    if (this.rules.length < MAX_RULES) return new RuleBook([...this.rules, rule], this.handlers);
    throw fault('id', `is one more than the ${MAX_RULES} rules that there can be: remove another one first`);
  }

  /** The book without the rule of this id; this one where there is none. */
  remove(id: string): RuleBook {
    const kept = this.rules.filter((rule) => rule.id !== id);
    return kept.length === this.rules.length ? this : new RuleBook(kept, this.handlers);
  }

  /**
   * The book in which a rule is on or off.
   *
   * @throws AuditError `AUDIT_INVALID_RULE` where there is no such rule, or nobody does what it asks for
   */
  enable(id: string, enabled: boolean): RuleBook {
    const rule = this.rules.find((one) => one.id === id);
    if (rule) return this.set({ ...rule, enabled });
    const known = listOf(this.rules.map((one) => one.id));
    throw faultOf({ id })('id', `is ${show(id)}, and there is no such rule: write ${known}`);
  }
}

function compiled(rules: readonly CheckedRule[], values: EventValues): CompiledRule[] {
  const made = rules.map((rule) => ({ rule, isMet: compileConditions(rule.conditions, values) }));
  values.compile();
  return made;
}

/** The ids there are, as many as a message has room for. */
export function listOf(ids: readonly string[]): string {
  if (ids.length === 0) return 'none, since there are no rules';
  const more = ids.length > 50 ? `, or one of ${ids.length - 50} more` : '';
  return `one of ${ids.slice(0, 50).join(', ')}${more}`;
}
