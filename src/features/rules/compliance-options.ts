import {
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
import { givenTwice } from './check-rule.js';
import { COMPLIANCE_PACK_NAMES, HANDLED_ACTIONS } from './compliance-rule.js';
import type { ComplianceOptions } from './compliance-rule.js';

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
 * Which rules the options turn on or off.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS`
 */
export function switchedBy(options: ComplianceOptions, ids: readonly string[]): ReadonlyMap<string, boolean> {
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

/** The ids there are, as many as a message has room for. */
export function listOf(ids: readonly string[]): string {
  if (ids.length === 0) return 'none, since there are no rules';
  const more = ids.length > 50 ? `, or one of ${ids.length - 50} more` : '';
  return `one of ${ids.slice(0, 50).join(', ')}${more}`;
}
