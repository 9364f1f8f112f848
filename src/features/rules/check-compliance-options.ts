import { AuditError } from '../../event/audit-error.js';
import { checkKeys, quoted, show } from './check-condition.js';
import { COMPLIANCE_PACK_NAMES, HANDLED_ACTIONS } from './compliance-rule.js';
import type { ComplianceOptions, CompliancePack } from './compliance-rule.js';

/** The error that says what is wrong with an option: `what` completes "complianceRules.packs[0] …". */
export function invalid(field: string, what: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTIONS', `The audit option ${field} ${what}.`, { field });
}

/** @throws AuditError `AUDIT_INVALID_OPTIONS`, of what can be said without looking into the rules */
export function checkOptions(options: ComplianceOptions): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid('complianceRules', `is ${show(options)}: write { packs: ['sox'], rules: [ … ] }`);
  }
  checkKeys(options, ['packs', 'rules', 'disabled', 'enabled', 'handlers'], '', (path, what) =>
    invalid(`complianceRules.${path}`, what),
  );
  for (const name of ['packs', 'rules', 'disabled', 'enabled'] as const) {
    const list: unknown = options[name];
    if (list !== undefined && !Array.isArray(list)) {
      throw invalid(`complianceRules.${name}`, `is ${show(list)}: write a list`);
    }
  }
  (options.packs ?? []).forEach((pack, index, packs) => {
    const field = `complianceRules.packs[${index}]`;
    if (!COMPLIANCE_PACK_NAMES.includes(pack as CompliancePack)) {
      throw invalid(field, `is ${show(pack)}: write one of ${quoted(COMPLIANCE_PACK_NAMES)}`);
    }
    if (packs.indexOf(pack) < index) throw invalid(field, `is ${show(pack)} a second time: write it once`);
  });
  const handlers: unknown = options.handlers ?? {};
  if (typeof handlers !== 'object' || Array.isArray(handlers)) {
    throw invalid('complianceRules.handlers', `is ${show(handlers)}: write { alert: (finding) => … }`);
  }
  checkKeys(handlers as object, HANDLED_ACTIONS, 'complianceRules.handlers', invalid);
  for (const [name, handler] of Object.entries(handlers as object)) {
    if (handler !== undefined && typeof handler !== 'function') {
      throw invalid(
        `complianceRules.handlers.${name}`,
        `is ${show(handler)}: write a function of the finding`,
      );
    }
  }
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
        throw invalid(field, `is ${show(id)}, and there is no such rule: write ${listOf(ids)}`);
      }
      if (switched.get(id) === false && name === 'enabled') {
        throw invalid(
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
