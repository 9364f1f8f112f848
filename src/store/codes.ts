// Severity, category and outcome in the database: a number of one byte for each text. A code never changes its meaning.
import type { AuditCategory, AuditOutcome, AuditSeverity } from '../event/audit-log-event.js';
import { toInteger } from './column-value.js';
import type { SqlDialect } from './table-name.js';

const SEVERITY_CODES: Readonly<Record<AuditSeverity, number>> = { low: 1, medium: 2, high: 3, critical: 4 };

const CATEGORY_CODES: Readonly<Record<AuditCategory, number>> = {
  authentication: 1,
  authorization: 2,
  data_access: 3,
  data_modification: 4,
  system: 5,
  security: 6,
  compliance: 7,
};

const OUTCOME_CODES: Readonly<Record<AuditOutcome, number>> = { success: 1, failure: 2, partial: 3 };

/** The codes of each column that has some. */
export const CODES = {
  severity: SEVERITY_CODES,
  category: CATEGORY_CODES,
  outcome: OUTCOME_CODES,
} as const;

export type CodeColumn = keyof typeof CODES;

const BY_TEXT = mapped((codes) => new Map(Object.entries(codes)));
const BY_CODE = mapped((codes) => new Map(Object.entries(codes).map(([text, code]) => [code, text])));

/** The type of a code's column: the smallest integer that the database has. */
export function codeType(dialect: SqlDialect): string {
  return { mysql: 'tinyint unsigned', postgres: 'smallint', sqlite: 'tinyint' }[dialect];
}

/** The code of a text; `null`, which equals nothing in SQL, where the column has no such text. */
export function codeOf(column: CodeColumn, text: string): number | null {
  return BY_TEXT[column].get(text) ?? null;
}

/** The text of a code that a driver has answered; the code itself where it has none, and `NaN` for what is no integer. */
export function readCode(column: CodeColumn, value: unknown): string | number | null {
  if (value === null) return null;
  const code = toInteger(typeof value === 'string' ? undefined : value);
  return BY_CODE[column].get(code) ?? code;
}

export function isCodeColumn(column: string): column is CodeColumn {
  return Object.hasOwn(CODES, column);
}

function mapped<T>(make: (codes: Readonly<Record<string, number>>) => T): Record<CodeColumn, T> {
  return {
    severity: make(CODES.severity),
    category: make(CODES.category),
    outcome: make(CODES.outcome),
  };
}
