// Severity, category and outcome in the database: a number of one byte for each text. A code never changes its meaning.
import type { AuditCategory, AuditOutcome, AuditSeverity } from '../event/audit-log-event.js';
import { toInteger } from './column-value.js';

/** The codes of each column that has some. */
export const CODES = {
  severity: { low: 1, medium: 2, high: 3, critical: 4 } satisfies Record<AuditSeverity, number>,
  category: {
    authentication: 1,
    authorization: 2,
    data_access: 3,
    data_modification: 4,
    system: 5,
    security: 6,
    compliance: 7,
  } satisfies Record<AuditCategory, number>,
  outcome: { success: 1, failure: 2, partial: 3 } satisfies Record<AuditOutcome, number>,
} as const;

export type CodeColumn = keyof typeof CODES;

/** The texts of the codes, by column. */
const TEXTS = new Map(
  Object.entries(CODES).map(([column, codes]) => [
    column,
    new Map(Object.entries(codes).map(([text, code]): [number, string] => [code, text])),
  ]),
);

/** The code of a text; `null`, which equals nothing in SQL, where the column has no such text. */
export function codeOf(column: CodeColumn, text: string): number | null {
  const codes: Readonly<Record<string, number>> = CODES[column];
  return Object.hasOwn(codes, text) ? codes[text]! : null;
}

/** The text of a code that a driver has answered; the code itself where it has none, and `NaN` for what is no integer. */
export function readCode(column: CodeColumn, value: unknown): string | number | null {
  if (value === null) return null;
  const code = toInteger(typeof value === 'string' ? undefined : value);
  return TEXTS.get(column)?.get(code) ?? code;
}

export function isCodeColumn(column: string): column is CodeColumn {
  return Object.hasOwn(CODES, column);
}
