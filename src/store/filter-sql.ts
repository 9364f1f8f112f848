import type { AuditValue } from '../event/audit-log-event.js';
import { firstIdOf } from '../event/event-id.js';
import { EVENT } from './audit.entities.js';
import { columnOf } from './columns.js';
import type { Column } from './columns.js';
import { EXACT_CONDITIONS, lowerAscii, mentionOf, TEXT_CONDITIONS } from './event-filter.js';
import type { EventFilter } from './event-filter.js';
import { any, contains, id, isId, list, raw, sql } from './sql.js';
import type { Sql, SqlPart } from './sql.js';

const LAST_CODE_POINT = 0x10ffff;
const FIRST_SURROGATE = 0xd800;
const AFTER_SURROGATES = 0xe000;

/**
 * The filter's conditions on events that go by the alias `e`. Times are compared through the id, which begins with the
 * timestamp, so that one index serves filter, order and range.
 */
export function matching(filter: EventFilter): Sql {
  const { tenantId, from, to, minRiskScore, maxRiskScore, complianceFlag, subject, text } = filter;
  // On SQLite somebody may have written an id that is none: no page could go on from it.
  const all: SqlPart[] = [isId('e.id')];
  if (tenantId !== undefined) all.push(sql`e.tenant_id = ${tenantId}`);
  for (const name of EXACT_CONDITIONS) {
    const values = filter[name];
    if (values) all.push(isOneOf(name, values));
  }
  if (filter.action || filter.actionPrefix) all.push(isAction(filter));
  if (from !== undefined) all.push(sql`e.id >= ${id(firstIdOf(from))}`);
  if (to !== undefined) all.push(sql`e.id < ${id(firstIdOf(to))}`);
  if (minRiskScore !== undefined) all.push(sql`e.risk_score >= ${minRiskScore}`);
  if (maxRiskScore !== undefined) all.push(sql`e.risk_score <= ${maxRiskScore}`);
  if (complianceFlag) {
    all.push(any(complianceFlag.map((flag) => contains('e.compliance_flags', JSON.stringify(flag)))));
  }
  all.push(...hasFacts('e.details', filter.details), ...hasFacts('e.metadata', filter.metadata));
  if (subject) {
    const mentions = subject.keyIds.map((keyId) => contains('e.metadata', mentionOf(keyId)));
    all.push(any([isOneOf('userId', subject.userIds), ...mentions]));
  }
  if (text !== undefined) {
    const needle = lowerAscii(text);
    // MySQL lowers all letters, the others those of ASCII: the needle must be lowered alike.
    const lowered: SqlPart = (dialect) => (dialect === 'mysql' ? sql`lower(${needle})` : needle);
    all.push(any(TEXT_CONDITIONS.map((name) => contains(`lower(e.${columnOf(name)})`, lowered))));
  }
  return list(all, ' AND ');
}

function isOneOf(name: keyof typeof EVENT, values: readonly string[]): Sql {
  const column = raw(`e.${columnOf(name)}`);
  const { store }: Column = EVENT[name];
  const stored = values.map((value): SqlPart => (store ? (dialect) => store(dialect, value) : value));
  if (stored.length === 0) return sql`1 = 0`;
  return stored.length === 1 ? sql`${column} = ${stored[0]!}` : sql`${column} IN (${list(stored)})`;
}

function isAction({ action, actionPrefix = [] }: EventFilter): Sql {
  const prefixes = actionPrefix.map((prefix) => {
    // Byte-wise order makes a prefix a range: from `invoice.` up to, not including, `invoice/`.
    const end = endOfPrefix(prefix);
    return end === undefined
      ? sql`e.action >= ${prefix}`
      : sql`(e.action >= ${prefix} AND e.action < ${end})`;
  });
  return any([...(action ? [sql`e.action IN (${list(action)})`] : []), ...prefixes]);
}

/** The first text after all that begin so, in the order of code points, which is that of UTF-8; `undefined` where there is none. */
function endOfPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (char) => char.codePointAt(0)!);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  // No text has a surrogate by itself.
  return String.fromCodePoint(...points, last + 1 === FIRST_SURROGATE ? AFTER_SURROGATES : last + 1);
}

/**
 * In canonical JSON a member reads exactly `"key":value` between a brace or comma and a comma or brace, and quotes
 * within strings are escaped: to look for that text is to compare the member, on any database.
 */
function hasFacts(column: string, facts: Readonly<Record<string, AuditValue>> = {}): Sql[] {
  return Object.entries(facts).map(([key, value]) => {
    const member = `${JSON.stringify(key)}:${JSON.stringify(value)}`;
    const forms = ['{', ','].flatMap((before) => [',', '}'].map((after) => before + member + after));
    return any(forms.map((form) => contains(column, form)));
  });
}
