import { CATEGORIES } from '../../event/audit-log-event.js';
import type { AuditCategory } from '../../event/audit-log-event.js';
import { checkOption, group, integer, list, option, ruled, text } from '../../event/option-schema.js';
import type { OptionFault, OptionSchema } from '../../event/option-schema.js';
import { MOST_REMOVED } from './removal-record.js';
import { connection } from '../../store/store-options.js';
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
  /**
   * How long events are kept. Events without a rule are kept for ever. Needed, except in `retention()`
   * without options, which has legal holds alone.
   */
  readonly rules?: readonly RetentionRule[];
  /**
   * The connection of a user who may DELETE (`docs/operate/hardening.md#who-may-remove`), in TypeORM's
   * `DataSourceOptions`. Opened for a removal and closed after it.
   * @defaultValue the audit's own connection
   */
  readonly database?: AuditDatabaseOptions;
  /** Events that one transaction removes. @defaultValue 200; 50 on SQLite */
  readonly batchSize?: number;
  /** Milliseconds between two transactions. @defaultValue 20 */
  readonly pauseMs?: number;
}

export const RETENTION_DEFAULTS = { batchSize: 200, pauseMs: 20 } as const;

/** The default of `batchSize` where requests wait for each batch. */
export const SMALL_BATCH_SIZE = 50;

/** A hundred years. */
const MOST_DAYS = 36_525;

const rule = group(
  {
    tenantId: text('the id of a tenant, or leave it out'),
    category: option(
      (value) => CATEGORIES.includes(value as AuditCategory),
      `one of ${CATEGORIES.join(', ')}`,
    ),
    keepDays: integer(1, MOST_DAYS),
  } satisfies Record<keyof RetentionRule, OptionSchema>,
  { required: ['keepDays'], write: '{ keepDays: 365 }' },
);

export const retentionSchema = group(
  {
    rules: ruled(list(rule, 'a list of rules, [{ keepDays: 365 }]'), repeated),
    database: connection('AUDIT_MAINTENANCE_URL'),
    batchSize: integer(1, MOST_REMOVED),
    pauseMs: integer(0, 60_000),
  } satisfies Record<keyof RetentionOptions, OptionSchema>,
  { required: ['rules'] },
);

function repeated(rules: readonly RetentionRule[]): OptionFault | undefined {
  const seen = new Set<string>();
  for (const [index, { tenantId, category }] of rules.entries()) {
    const key = JSON.stringify([tenantId, category]);
    if (seen.has(key))
      return { at: [index], fault: 'is about the same tenant and category as one before it' };
    seen.add(key);
  }
  return undefined;
}

/** @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `retention.rules[0].keepDays` */
export function checkRetention(options: RetentionOptions): void {
  // Legal holds need no rules.
  if (Object.keys(options).length > 0) checkOption(retentionSchema, options, 'retention');
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
