// Column options of the entities, for whoever reads the tables with TypeORM: ids and codes as the texts that they stand for.
import type { ColumnOptions } from 'typeorm';
import { codeOf, readCode } from './codes.js';
import type { CodeColumn } from './codes.js';
import { idBytes, idText } from './stored-id.js';

/** A column that holds an id. PostgreSQL takes the bytes for a `uuid` too, and answers its text. */
export const ID_COLUMN = {
  // What TypeORM knows on each database. The migrations create the column.
  type: 'uuid',
  transformer: {
    to: (id: unknown) => (typeof id === 'string' ? idBytes(id) : id),
    from: (stored: unknown) => (Buffer.isBuffer(stored) ? idText(stored) : stored),
  },
} satisfies ColumnOptions;

/** A column that holds a code. An unknown one is answered as its number in a text. */
export function codeColumn(column: CodeColumn): ColumnOptions {
  return {
    type: 'smallint',
    transformer: {
      to: (text: unknown) => (typeof text === 'string' ? codeOf(column, text) : text),
      from: (stored: unknown) => (stored === null ? null : String(readCode(column, stored))),
    },
  };
}
