// Raw SQL on the library's tables, written as people read them: ids, severity, category and outcome are texts here, and what the
// database keeps there.
import type { DataSource } from 'typeorm';
import { codeOf, isCodeColumn, readCode } from '../../src/store/codes.js';
import { idBytes, idText } from '../../src/store/stored-id.js';

type Row = Readonly<Record<string, unknown>>;

const IDS = ['id', 'source', 'event_id'];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const QUOTED_UUID = /'([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})'/g;

/** The statement with each UUID in quotes as the database keeps ids. */
export function withIds(connection: DataSource, statement: string): string {
  // Keys of persons have texts as their ids.
  if (connection.options.type === 'postgres' || statement.includes('audit_keys')) return statement;
  return statement.replace(QUOTED_UUID, (_, id: string) => `X'${id.replaceAll('-', '')}'`);
}

/** What the statement answers, ids and codes as texts. A UUID in quotes is an id. */
export async function ask<T extends Row = Record<string, unknown>>(
  connection: DataSource,
  statement: string,
): Promise<T[]> {
  const answered: unknown = await connection.query(withIds(connection, statement));
  return Array.isArray(answered) ? answered.map((row: Row) => readStored(row) as T) : [];
}

/** The row of a table with its ids and codes as texts. What is none there stays as it is. */
export function readStored(row: Row): Record<string, unknown> {
  const read = { ...row };
  for (const [column, value] of Object.entries(row)) {
    if (IDS.includes(column) && Buffer.isBuffer(value) && value.length === 16) read[column] = idText(value);
    if (isCodeColumn(column) && typeof value === 'number') read[column] = readCode(column, value);
  }
  return read;
}

/** The other way round. Keys of persons have texts as their ids. */
export function toStored(connection: DataSource, table: string, row: Row): Record<string, unknown> {
  const stored = { ...row };
  const isBinary = connection.options.type !== 'postgres' && !table.includes('audit_keys');
  for (const [column, value] of Object.entries(row)) {
    if (typeof value !== 'string') continue;
    if (isBinary && IDS.includes(column) && UUID.test(value)) stored[column] = idBytes(value);
    if (isCodeColumn(column)) stored[column] = codeOf(column, value) ?? value;
  }
  return stored;
}
