import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { wrongOption } from '../../event/option-schema.js';
import { show } from './check-condition.js';
import { checkComplianceOptions, listOf, switchedBy } from './check-compliance-options.js';
import { checkHandlers, checkRule, faultOf } from './check-rule.js';
import type { CheckedRule } from './check-rule.js';
import { compileConditions } from './compile-condition.js';
import type { Predicate } from './compile-condition.js';
import type {
  ComplianceHandlers,
  ComplianceOptions,
  ComplianceRule,
  RuleConditions,
} from './compliance-rule.js';
import { EventValues } from './event-values.js';
import { COMPLIANCE_PACKS } from './packs/all.js';
import { isSentField } from './sent-value.js';

/** Rules that a book can hold. */
export const MAX_RULES = 1_000;

interface CompiledRule {
  readonly rule: CheckedRule;
  readonly holds: Predicate;
}

/**
 * The compliance rules of an application: checked and compiled once, then held against every event. Nothing of it does
 * I/O. Of events it keeps some of the last texts, and which patterns were found in them.
 */
export class RuleBook {
  private all: readonly CheckedRule[] = [];
  private enabled: readonly CompiledRule[] = [];
  private blockers: readonly CompiledRule[] = [];
  private blockFields: readonly string[] = [];
  private values = new EventValues();
  /** Of requests before their handler, of which more is read, and longer texts. */
  private valuesBefore = new EventValues();
  private readonly handlers: ComplianceHandlers;

  /** @throws AuditError `AUDIT_INVALID_OPTIONS`, naming rule and field */
  constructor(options: ComplianceOptions = {}) {
    checkComplianceOptions(options);
    this.handlers = { ...options.handlers };
    const given = [
      ...(options.packs ?? []).flatMap((pack) =>
        COMPLIANCE_PACKS[pack].map((rule) => [rule, 'complianceRules.packs'] as const),
      ),
      // Not by map, which passes over holes.
      ...Array.from(options.rules ?? [], (rule, index) => [rule, `complianceRules.rules[${index}]`] as const),
    ];
    if (given.length > MAX_RULES) {
      throw wrongOption(
        'complianceRules.rules',
        `makes ${given.length} rules with the packs: write at most ${MAX_RULES}`,
      );
    }
    const rules = new Map<string, CheckedRule>();
    for (const [rule, place] of given) {
      const fault = faultOf(rule, place);
      const checked = checkRule(rule, fault);
      if (rules.has(checked.id)) {
        throw fault('id', 'is the id of a rule before it as well: write another one');
      }
      rules.set(checked.id, checked);
    }
    for (const [id, enabled] of switchedBy(options, [...rules.keys()])) {
      rules.set(id, Object.freeze({ ...rules.get(id)!, enabled }));
    }
    const all = [...rules.values()];
    all.forEach((rule, index) => checkHandlers(rule, this.handlers, faultOf(rule, given[index]![1])));
    this.use(all);
  }

  /** All rules in their order, those of packs first, with their defaults filled in. Frozen. */
  get rules(): readonly ComplianceRule[] {
    return this.all;
  }

  /** Ids of the enabled rules that hold, in the order of the rules. */
  match(event: AuditLogEvent): readonly string[] {
    return this.holding(event).map(({ id }) => id);
  }

  /** The enabled rules that hold, in their order. */
  holding(event: AuditLogEvent): readonly ComplianceRule[] {
    const { enabled, values } = this;
    if (enabled.length === 0) return [];
    return values.of(event, () => {
      const found: ComplianceRule[] = [];
      for (const { rule, holds } of enabled) if (holds()) found.push(rule);
      return found;
    });
  }

  /** Whether any enabled rule blocks, so that nothing need be asked where none does. */
  get canBlock(): boolean {
    return this.blockers.length > 0;
  }

  /**
   * What the rules that block read of what a client sent, as keys of `details`: `body.payee.country`. The same list until
   * the rules change.
   */
  get sentKeys(): readonly string[] {
    return this.blockFields;
  }

  /**
   * The first enabled rule with the action `block` that holds.
   *
   * @param event what is known of the request before its handler, body and query included
   */
  blocking(event: AuditLogEvent): ComplianceRule | undefined {
    const { blockers, valuesBefore } = this;
    if (blockers.length === 0) return undefined;
    return valuesBefore.of(event, () => blockers.find(({ holds }) => holds())?.rule);
  }

  /**
   * Replaces the rule with its id, or adds it after all others.
   *
   * @returns the rule as it is from now on
   * @throws AuditError `AUDIT_INVALID_RULE`, naming rule and field; then nothing has changed
   */
  set(rule: unknown): ComplianceRule {
    const fault = faultOf(rule);
    const checked = checkRule(rule, fault);
    checkHandlers(checked, this.handlers, fault);
    const index = this.all.findIndex(({ id }) => id === checked.id);
    if (index < 0 && this.all.length >= MAX_RULES) {
      throw fault(
        'id',
        `is one more than the ${MAX_RULES} rules that there can be: remove another one first`,
      );
    }
    this.use(index < 0 ? [...this.all, checked] : this.all.with(index, checked));
    return checked;
  }

  /** @returns whether there was such a rule */
  remove(id: string): boolean {
    const kept = this.all.filter((rule) => rule.id !== id);
    if (kept.length === this.all.length) return false;
    this.use(kept);
    return true;
  }

  /**
   * Turns a rule on or off.
   *
   * @returns the rule as it is from now on
   * @throws AuditError `AUDIT_INVALID_RULE` where there is no such rule, or nobody does what it asks for
   */
  enable(id: string, enabled: boolean): ComplianceRule {
    const rule = this.all.find((one) => one.id === id);
    if (!rule) {
      throw faultOf({ id })(
        'id',
        `is ${show(id)}, and there is no such rule: write ${listOf(this.all.map((one) => one.id))}`,
      );
    }
    return this.set({ ...rule, enabled });
  }

  /** These are the rules again. @param rules as {@link rules} answered them at another time */
  restore(rules: readonly ComplianceRule[]): void {
    this.use(rules as readonly CheckedRule[]);
  }

  /** Compiles all of them again, so that nothing is kept of what no rule reads any more. */
  private use(rules: readonly CheckedRule[]): void {
    const values = new EventValues();
    const valuesBefore = new EventValues(true);
    const on = rules.filter(({ enabled }) => enabled);
    const enabled = on.map((rule) => ({ rule, holds: compileConditions(rule.conditions, values) }));
    const blockers = on
      .filter(({ actions }) => actions.includes('block'))
      .map((rule) => ({ rule, holds: compileConditions(rule.conditions, valuesBefore, true) }));
    values.compile();
    valuesBefore.compile();
    const fields = blockers.flatMap(({ rule }) => fieldsOf(rule.conditions));
    // Only now: what can't be compiled has changed nothing.
    this.all = rules;
    this.enabled = enabled;
    this.blockers = blockers;
    this.blockFields = [...new Set(fields.filter(isSentField))].map((field) =>
      field.slice('details.'.length),
    );
    this.values = values;
    this.valuesBefore = valuesBefore;
  }
}

function fieldsOf(conditions: RuleConditions): string[] {
  if ('field' in conditions) return [conditions.field];
  return ('all' in conditions ? conditions.all : conditions.any).flatMap(fieldsOf);
}
