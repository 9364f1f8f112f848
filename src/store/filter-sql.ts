import type { ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import { firstIdOf } from '../event/event-id.js';
import type { AuditValue } from '../event/audit-log-event.js';
import { EXACT_CONDITIONS, lowerAscii, mentionOf, TEXT_CONDITIONS } from './event-filter.js';
import type { EventFilter } from './event-filter.js';
import { codeOf, isCodeColumn } from './codes.js';
import { storedId } from './stored-id.js';
import type { StoredValue } from './stored-row.js';
import type { SqlDialect } from './table-name.js';

const LAST_CODE_POINT = 0x10ffff;
const FIRST_SURROGATE = 0xd800;
const BEHIND_SURROGATES = 0xe000;

/**
 * Adds the filter's conditions to a query whose events go by the alias `e`. Values travel as parameters only. Times
 * are compared through the id, which begins with the timestamp, so that one index serves filter, order and range.
 */
export function applyFilter<T extends ObjectLiteral>(
  query: SelectQueryBuilder<T>,
  filter: EventFilter,
  dialect: SqlDialect,
): SelectQueryBuilder<T> {
  if (filter.tenantId !== undefined) query.andWhere('e.tenant_id = :tenantId', { tenantId: filter.tenantId });
  for (const [name, column] of Object.entries(EXACT_CONDITIONS)) {
    const wanted = filter[name as keyof typeof EXACT_CONDITIONS];
    const values = wanted && storedForms(dialect, column, wanted);
    if (values?.length === 0) query.andWhere('1 = 0');
    else if (values?.length === 1) query.andWhere(`e.${column} = :${name}`, { [name]: values[0] });
    else if (values) query.andWhere(`e.${column} IN (:...${name})`, { [name]: values });
  }
  applyAction(query, filter);
  const firstId = (timestamp: number) => storedId(dialect, firstIdOf(timestamp));
  if (filter.from !== undefined) query.andWhere('e.id >= :fromId', { fromId: firstId(filter.from) });
  if (filter.to !== undefined) query.andWhere('e.id < :toId', { toId: firstId(filter.to) });
  if (filter.minRiskScore !== undefined) {
    query.andWhere('e.risk_score >= :minRiskScore', { minRiskScore: filter.minRiskScore });
  }
  if (filter.maxRiskScore !== undefined) {
    query.andWhere('e.risk_score <= :maxRiskScore', { maxRiskScore: filter.maxRiskScore });
  }
  const contains = (haystack: string, parameter: string) =>
    dialect === 'postgres' ? `strpos(${haystack}, ${parameter}) > 0` : `instr(${haystack}, ${parameter}) > 0`;
  if (filter.complianceFlag) {
    const any = filter.complianceFlag.map((_, index) => contains('e.compliance_flags', `:flag${index}`));
    const parameters = filter.complianceFlag.map((flag, index) => [`flag${index}`, JSON.stringify(flag)]);
    query.andWhere(`(${any.join(' OR ')})`, Object.fromEntries(parameters));
  }
  applyFacts(query, 'details', filter.details, contains);
  applyFacts(query, 'metadata', filter.metadata, contains);
  if (filter.subject) {
    const { userIds, keyIds } = filter.subject;
    const any = keyIds.map((_, index) => contains('e.metadata', `:mention${index}`));
    const mentions = keyIds.map((keyId, index) => [`mention${index}`, mentionOf(keyId)]);
    query.andWhere(`(${['e.user_id IN (:...subjectUsers)', ...any].join(' OR ')})`, {
      subjectUsers: userIds,
      ...Object.fromEntries(mentions),
    });
  }
  if (filter.text !== undefined) {
    // MySQL lowers all letters, the others those of ASCII: the needle must be lowered alike.
    const needle = dialect === 'mysql' ? 'lower(:text)' : ':text';
    const any = Object.values(TEXT_CONDITIONS).map((column) => contains(`lower(e.${column})`, needle));
    query.andWhere(`(${any.join(' OR ')})`, { text: lowerAscii(filter.text) });
  }
  return query;
}

/** Values as the database keeps them; those that no row can have are left out. */
function storedForms(dialect: SqlDialect, column: string, values: readonly string[]): StoredValue[] {
  if (column !== 'id' && !isCodeColumn(column)) return [...values];
  const stored = values.map((value) =>
    isCodeColumn(column) ? codeOf(column, value) : storedId(dialect, value),
  );
  return stored.filter((value) => value !== null);
}

function applyAction<T extends ObjectLiteral>(query: SelectQueryBuilder<T>, filter: EventFilter): void {
  const any: string[] = [];
  const parameters: Record<string, unknown> = {};
  if (filter.action) {
    any.push('e.action IN (:...actions)');
    parameters['actions'] = filter.action;
  }
  filter.actionPrefix?.forEach((prefix, index) => {
    // Byte-wise order makes a prefix a range: from `invoice.` up to, not including, `invoice/`.
    const end = endOfPrefix(prefix);
    any.push(`(e.action >= :prefix${index}${end === undefined ? '' : ` AND e.action < :prefixEnd${index}`})`);
    parameters[`prefix${index}`] = prefix;
    if (end !== undefined) parameters[`prefixEnd${index}`] = end;
  });
  if (any.length > 0) query.andWhere(`(${any.join(' OR ')})`, parameters);
}

/** The first text behind all that begin so, in the order of code points, which is that of UTF-8; `undefined` where there is none. */
function endOfPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (char) => char.codePointAt(0)!);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  // No text has a surrogate by itself.
  return String.fromCodePoint(...points, last + 1 === FIRST_SURROGATE ? BEHIND_SURROGATES : last + 1);
}

/**
 * In canonical JSON a member reads exactly `"key":value` between a brace or comma and a comma or brace, and quotes
 * within strings are escaped: to look for that text is to compare the member, on any database.
 */
function applyFacts<T extends ObjectLiteral>(
  query: SelectQueryBuilder<T>,
  column: 'details' | 'metadata',
  facts: Readonly<Record<string, AuditValue>> | undefined,
  contains: (haystack: string, parameter: string) => string,
): void {
  Object.entries(facts ?? {}).forEach(([key, value], index) => {
    const member = `${JSON.stringify(key)}:${JSON.stringify(value)}`;
    const forms = ['{', ','].flatMap((before) => [',', '}'].map((after) => before + member + after));
    const any = forms.map((_, form) => contains(`e.${column}`, `:${column}${index}_${form}`));
    const parameters = forms.map((text, form) => [`${column}${index}_${form}`, text]);
    query.andWhere(`(${any.join(' OR ')})`, Object.fromEntries(parameters));
  });
}
