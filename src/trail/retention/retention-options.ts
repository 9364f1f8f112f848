import { AuditError } from '../../event/audit-error.js';
import { CATEGORIES } from '../../event/audit-log-event.js';
import type { AuditCategory } from '../../event/audit-log-event.js';
import { showValue } from '../../event/show-value.js';
import type { AuditDatabaseOptions } from '../../store/store-options.js';

/** How long events are kept. The rule that names most counts: tenant and category, tenant, category, neither. */
export interface RetentionRule {
  /** @defaultValue every tenant that has no rule of its own */
  readonly tenantId?: string;
  /** @defaultValue every category */
  readonly category?: AuditCategory;
  /** Days, each of 24 hours, from the event's `timestamp`. */
  readonly keepDays: number;
}

export interface RetentionOptions {
  /** What no rule is about is kept for ever. */
  readonly rules: readonly RetentionRule[];
  /**
   * The connection of a user who may DELETE, in TypeORM's `DataSourceOptions`; opened for a removal and closed after it.
   * @defaultValue the audit's own connection
   */
  readonly database?: AuditDatabaseOptions;
  /** Events that are removed in one transaction. @defaultValue 200; 50 on SQLite */
  readonly batchSize?: number;
  /** Milliseconds of rest between two. @defaultValue 20 */
  readonly pauseMs?: number;
}

export const RETENTION_DEFAULTS = { batchSize: 200, pauseMs: 20 } as const;

/** The default of `batchSize` where requests wait for each batch. */
export const SMALL_BATCH_SIZE = 50;

/** A hundred years. */
const MOST_DAYS = 36_525;

/** @throws AuditError `AUDIT_INVALID_OPTIONS` */
export function checkRetention({ rules }: RetentionOptions): void {
  if (!Array.isArray(rules))
    throw wrong('rules', `is ${showValue(rules)}: write a list, [{ keepDays: 365 }]`);
  const seen = new Set<string>();
  rules.forEach((rule: RetentionRule, index) => {
    const path = `rules[${index}]`;
    if (typeof rule !== 'object' || rule === null) {
      throw wrong(path, `is ${showValue(rule)}: write { keepDays: 365 }`);
    }
    const { tenantId, category, keepDays, ...others } = rule;
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) {
      throw wrong(`${path}.${unknown}`, 'does not exist: a rule has tenantId, category and keepDays');
    }
    if (tenantId !== undefined && (typeof tenantId !== 'string' || tenantId === '')) {
      throw wrong(`${path}.tenantId`, `is ${showValue(tenantId)}: write the id of a tenant, or leave it out`);
    }
    if (category !== undefined && !CATEGORIES.includes(category)) {
      throw wrong(`${path}.category`, `is ${showValue(category)}: write one of ${CATEGORIES.join(', ')}`);
    }
    if (!Number.isInteger(keepDays) || keepDays < 1 || keepDays > MOST_DAYS) {
      throw wrong(`${path}.keepDays`, `is ${showValue(keepDays)}: write an integer from 1 to ${MOST_DAYS}`);
    }
    const key = JSON.stringify([tenantId, category]);
    if (seen.has(key)) throw wrong(path, 'is about the same tenant and category as one before it');
    seen.add(key);
  });
}

/** The rule that counts. */
export function ruleFor(
  rules: readonly RetentionRule[],
  tenantId: string,
  category: AuditCategory,
): RetentionRule | undefined {
  const weight = (rule: RetentionRule) =>
    (rule.tenantId === undefined ? 0 : 2) + (rule.category === undefined ? 0 : 1);
  return rules
    .filter((rule) => (rule.tenantId ?? tenantId) === tenantId && (rule.category ?? category) === category)
    .sort((a, b) => weight(b) - weight(a))[0];
}

function wrong(path: string, fault: string): AuditError {
  const field = `retention.${path}`;
  return new AuditError('AUDIT_INVALID_OPTIONS', `The audit option ${field} ${fault}.`, { field });
}
