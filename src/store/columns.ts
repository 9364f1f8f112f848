// The columns of tables, each said once: its type in the database, how TypeORM sees it, and how an answer is read.
import { Column as EntityColumn } from 'typeorm';
import type { ColumnOptions } from 'typeorm';
import { codeOf, readCode } from './codes.js';
import type { CodeColumn } from './codes.js';
import { toInteger, toText } from './column-value.js';
import { idBytes, idText, storedId } from './stored-id.js';
import type { StoredId } from './stored-id.js';
import type { SqlDialect } from './table-name.js';

/** A column of a table. Its name is that of its property in snake case. */
export interface Column<T = unknown, E = unknown> {
  /** What TypeORM is told beside the name. The migrations make of it the type in the database. */
  readonly entity: ColumnOptions;
  readonly read: (value: unknown) => T;
  /** Bytes of it that are read at most. */
  readonly most?: number;
  /** The value that is kept for a text; `null` where none is. Absent where values are kept as they are. */
  readonly store?: (dialect: SqlDialect, text: string) => StoredId | number | null;
  /** How the JSON begins that it holds. */
  readonly json?: '{' | '[';
  /** What TypeORM answers for it: a type alone. */
  readonly answered?: E;
}

/** The columns of a table, by property. */
export type Shape = Readonly<Record<string, Column>>;

/** A row as its columns are read. */
export type RecordOf<S extends Shape> = { readonly [K in keyof S]: ReturnType<S[K]['read']> };

/** A row as TypeORM answers it. */
type EntityOf<S extends Shape> = { [K in keyof S]: S[K] extends Column<unknown, infer E> ? E : never };

export type ColumnName<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${ColumnName<Rest>}`
  : '';

/** An id: 16 bytes, see `storedId`. PostgreSQL takes the bytes for a `uuid` too, and answers its text. */
export const id: Column<string, string> = {
  entity: {
    // What TypeORM knows on each database.
    type: 'uuid',
    transformer: {
      to: (id: unknown) => (typeof id === 'string' ? idBytes(id) : id),
      from: (stored: unknown) => (Buffer.isBuffer(stored) ? idText(stored) : stored),
    },
  },
  read: toText,
  store: storedId,
};

/** A whole number, `NaN` where the column holds none. Drivers answer a bigint as a string where it might not fit a number. */
export const bigint: Column<number, number | string> = { entity: { type: 'bigint' }, read: toInteger };

export const smallint: Column<number, number> = { entity: { type: 'smallint' }, read: toInteger };

/** A text, see `toText`, which compares byte by byte on every database: `Acme` and `acme` are two tenants everywhere. */
export function text(length: number): Column<string, string> {
  return { entity: { type: 'varchar', length }, read: toText };
}

/**
 * A text that no index has.
 *
 * @param most bytes: the library writes no more, and a text of somebody else must not fill the memory
 */
export function longText(most: number): Column<string, string> {
  return { entity: { type: 'text' }, read: toText, most };
}

/** Canonical JSON (RFC 8785), kept as text so that no database rewrites it. */
export function json(begin: '{' | '['): Column<string, string> {
  return { entity: { type: 'text' }, read: toText, json: begin };
}

/** A code that stands for a text, see `CODES`. TypeORM answers an unknown one as its number in a text. */
export function code(column: CodeColumn): Column<string, string> {
  return {
    entity: {
      type: 'smallint',
      transformer: {
        to: (text: unknown) => (typeof text === 'string' ? codeOf(column, text) : text),
        from: (stored: unknown) => (stored === null ? null : String(readCode(column, stored))),
      },
    },
    read: toText,
    store: (_, text) => codeOf(column, text),
  };
}

/** The column also takes NULL, which is read as `null`. */
export function nullable<T, E>({ read, entity, ...column }: Column<T, E>): Column<T | null, E | null> {
  const readAny = (value: unknown) => (value === null ? null : read(value));
  return { ...column, entity: { ...entity, nullable: true }, read: readAny };
}

/** The column is of the table's key. */
export function key<T, E>(column: Column<T, E>): Column<T, E> {
  return { ...column, entity: { ...column.entity, primary: true } };
}

/** No two rows have the same in the column. */
export function unique<T, E>(column: Column<T, E>): Column<T, E> {
  return { ...column, entity: { ...column.entity, unique: true } };
}

/** The column of a property: `leafIndex` is in `leaf_index`. */
export function columnOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The columns of a table, in their order. */
export function columnNamesOf<S extends Shape>(shape: S): ColumnName<keyof S & string>[] {
  return Object.keys(shape).map(columnOf) as ColumnName<keyof S & string>[];
}

/** What an entity of the table extends: a class whose rows have these columns for TypeORM. */
export function rowOf<S extends Shape>(shape: S): new () => EntityOf<S> {
  class Row {}
  for (const [name, { entity }] of Object.entries(shape)) {
    EntityColumn({ ...entity, name: columnOf(name) })(Row.prototype, name);
  }
  return Row as new () => EntityOf<S>;
}
