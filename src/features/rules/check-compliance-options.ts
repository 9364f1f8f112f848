import {
  checkOption,
  functionOf,
  group,
  list,
  oneOf,
  option,
  ruled,
  wrongOption,
} from '../../event/option-schema.js';
import { show } from './check-condition.js';
import { COMPLIANCE_PACK_NAMES, HANDLED_ACTIONS } from './compliance-rule.js';
import type { ComplianceOptions } from './compliance-rule.js';

/** Rules and their ids are checked one by one, where all of them are known. */
const anyList = (write: string) => option(Array.isArray, write);
const handler = functionOf('a function of the finding');

const complianceSchema = ruled(
  group(
    {
      packs: list(oneOf(COMPLIANCE_PACK_NAMES), "a list of packs, ['sox']"),
      rules: anyList('a list of rules'),
      disabled: anyList('a list of ids of rules'),
      enabled: anyList('a list of ids of rules'),
      handlers: group(Object.fromEntries(HANDLED_ACTIONS.map((action) => [action, handler])), {
        write: '{ alert: (finding) => … }',
      }),
    },
    { write: "{ packs: ['sox'], rules: [ … ] }" },
  ),
  ({ packs = [] }: ComplianceOptions) => {
    const twice = packs.findIndex((pack, index) => packs.indexOf(pack) < index);
    return twice < 0
      ? undefined
      : { at: ['packs', twice], fault: `is ${show(packs[twice])} a second time: write it once` };
  },
);

/** @throws AuditError `AUDIT_INVALID_OPTIONS`, of what can be said without looking into the rules */
export function checkComplianceOptions(options: ComplianceOptions): void {
  checkOption(complianceSchema, options, 'complianceRules');
}

/**
 * Which rules the options turn on or off.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS`
 */
export function switchedBy(options: ComplianceOptions, ids: readonly string[]): ReadonlyMap<string, boolean> {
  const switched = new Map<string, boolean>();
  for (const name of ['disabled', 'enabled'] as const) {
    (options[name] ?? []).forEach((id, index) => {
      const field = `complianceRules.${name}[${index}]`;
      if (!ids.includes(id)) {
        throw wrongOption(field, `is ${show(id)}, and there is no such rule: write ${listOf(ids)}`);
      }
      if (switched.get(id) === false && name === 'enabled') {
        throw wrongOption(
          field,
          `is ${show(id)}, which is in complianceRules.disabled as well: write it in one of them`,
        );
      }
      switched.set(id, name === 'enabled');
    });
  }
  return switched;
}

/** The ids there are, as many as a message has room for. */
export function listOf(ids: readonly string[]): string {
  if (ids.length === 0) return 'none, since there are no rules';
  const more = ids.length > 50 ? `, or one of ${ids.length - 50} more` : '';
  return `one of ${ids.slice(0, 50).join(', ')}${more}`;
}
