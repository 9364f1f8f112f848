import { checkOption, wrongOption } from '../../event/option-schema.js';
import { show } from './check-condition.js';
import { checkHandlers, checkRule, faultOf } from './check-rule.js';
import type { CheckedRule } from './check-rule.js';
import { CompiledRules } from './compiled-rules.js';
import { complianceSchema, listOf, switchedBy } from './compliance-options.js';
import type { ComplianceHandlers, ComplianceOptions, ComplianceRule } from './compliance-rule.js';
import { COMPLIANCE_PACKS } from './packs/all.js';

/** Rules that a book can have. */
export const MAX_RULES = 1_000;

/** The compliance rules of an application: checked and compiled once, then tried on every event. Nothing of it does I/O. */
export class RuleBook {
  private all: readonly CheckedRule[] = [];
  /** The enabled ones of {@link rules}, until these change. */
  inForce = new CompiledRules([]);
  private readonly handlers: ComplianceHandlers;

  /** @throws AuditError `AUDIT_INVALID_OPTIONS`, naming rule and field */
  constructor(options: ComplianceOptions = {}) {
    checkOption(complianceSchema, options, 'complianceRules');
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
    this.restore(all);
  }

  /** All rules in their order, those of packs first, with their defaults filled in. Frozen. */
  get rules(): readonly ComplianceRule[] {
    return this.all;
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
    this.restore(index < 0 ? [...this.all, checked] : this.all.with(index, checked));
    return checked;
  }

  /** @returns whether there was such a rule */
  remove(id: string): boolean {
    const kept = this.all.filter((rule) => rule.id !== id);
    if (kept.length === this.all.length) return false;
    this.restore(kept);
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
    // First: what can't be compiled has changed nothing.
    this.inForce = new CompiledRules(rules);
    this.all = rules as readonly CheckedRule[];
  }
}
