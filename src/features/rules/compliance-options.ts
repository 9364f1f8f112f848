import {
  checkOption,
  each,
  functionOf,
  group,
  list,
  oneOf,
  option,
  ruled,
  wrongOption,
} from '../../event/option-schema.js';
import type { OptionSchema } from '../../event/option-schema.js';
import { show } from './check-condition.js';
import { checkHandlers, checkRule, faultOf, givenTwice } from './check-rule.js';
import { COMPLIANCE_PACK_NAMES, HANDLED_ACTIONS } from './compliance-rule.js';
import type { ComplianceOptions } from './compliance-rule.js';
import { COMPLIANCE_PACKS } from './packs/all.js';
import { listOf, MAX_RULES, RuleBook } from './rule-book.js';

/** Rules and their ids are checked one by one, where all of them are known. */
const anyList = (write: string) => option(Array.isArray, write);

export const complianceSchema = group(
  {
    packs: ruled(list(oneOf(COMPLIANCE_PACK_NAMES), "a list of packs, ['sox']"), givenTwice),
    rules: anyList('a list of rules'),
    disabled: anyList('a list of ids of rules'),
    enabled: anyList('a list of ids of rules'),
    handlers: each(HANDLED_ACTIONS, functionOf('a function of the finding'), '{ alert: (finding) => … }'),
  } satisfies Record<keyof ComplianceOptions, OptionSchema>,
  { write: "{ packs: ['sox'], rules: [ … ] }" },
);

/**
 * The rules of the options, those of packs first, with their defaults filled in. Frozen.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS`, naming rule and field
 */
export function bookOf(options: ComplianceOptions = {}): RuleBook {
  checkOption(complianceSchema, options, 'complianceRules');
  const { packs = [], rules = [] } = options;
  const given = [
    ...packs.flatMap((pack) =>
      COMPLIANCE_PACKS[pack].map((rule) => [rule, 'complianceRules.packs'] as const),
    ),
    // Not by map, which passes over holes.
    ...Array.from(rules, (rule, index) => [rule, `complianceRules.rules[${index}]`] as const),
  ];
  if (given.length > MAX_RULES) {
    const fault = `makes ${given.length} rules with the packs: write at most ${MAX_RULES}`;
    throw wrongOption('complianceRules.rules', fault);
  }
  const ids = new Set<string>();
  const checked = given.map(([one, place]) => {
    const fault = faultOf(one, place);
    const rule = checkRule(one, fault);
    if (ids.has(rule.id)) throw fault('id', 'is the id of a rule before it as well: write another one');
    ids.add(rule.id);
    return { rule, fault };
  });
  const switched = switchedBy(options, [...ids]);
  const handlers = { ...options.handlers };
  const all = checked.map(({ rule, fault }) => {
    const one = Object.freeze({ ...rule, enabled: switched.get(rule.id) ?? rule.enabled });
    checkHandlers(one, handlers, fault);
    return one;
  });
  return new RuleBook(all, handlers);
}

/** Which rules the options turn on or off. */
function switchedBy(options: ComplianceOptions, ids: readonly string[]): ReadonlyMap<string, boolean> {
  const switched = new Map<string, boolean>();
  for (const name of ['disabled', 'enabled'] as const) {
    for (const [index, id] of (options[name] ?? []).entries()) {
      const refuse = (fault: string) =>
        wrongOption(`complianceRules.${name}[${index}]`, `is ${show(id)}, ${fault}`);
      if (!ids.includes(id)) throw refuse(`and there is no such rule: write ${listOf(ids)}`);
      if (name === 'enabled' && switched.get(id) === false)
        throw refuse('which is in complianceRules.disabled as well: write it in one of them');
      switched.set(id, name === 'enabled');
    }
  }
  return switched;
}
