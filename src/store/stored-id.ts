// Ids in the database. An event, a source and a note have a UUID as their id: 36 characters outside, 16 bytes in a row.
import { isEventId } from '../event/event-id.js';
import type { SqlDialect } from './table-name.js';

/** An id as a value of a statement: 16 bytes, or for PostgreSQL's `uuid` the text. */
export type StoredId = Buffer | string;

const ID_BYTES = 16;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const LAST_ID = 2n ** 128n - 1n;

/** The id as the database keeps it; `null`, which equals nothing in SQL, where the text is no UUID in its canonical form. */
export function storedId(dialect: SqlDialect, id: string): StoredId | null {
  if (!isEventId(id)) return null;
  return dialect === 'postgres' ? id : idBytes(id);
}

/** The values of the hexadecimal digits, by their codes. */
const DIGITS = new Uint8Array(128);
for (let digit = 0; digit < 16; digit += 1) DIGITS[digit.toString(16).charCodeAt(0)] = digit;

/** The bytes of a canonical UUID. Each row has two of them: this takes a third of the time of `Buffer.from(hex, 'hex')`. */
export function idBytes(id: string): Buffer {
  const bytes = Buffer.allocUnsafe(ID_BYTES);
  let place = 0;
  for (let index = 0; index < ID_BYTES; index += 1) {
    if (id[place] === '-') place += 1;
    bytes[index] = (DIGITS[id.charCodeAt(place)]! << 4) | DIGITS[id.charCodeAt(place + 1)]!;
    place += 2;
  }
  return bytes;
}

/**
 * The lowest id that a page can begin with, for `>=`. Not `>`: an id of sixteen zeros must not be passed over.
 *
 * @param after the id before the page; an empty text where the page is the first one
 * @returns `null` where nothing can come after
 */
export function storedIdAfter(dialect: SqlDialect, after: string): StoredId | null {
  if (after === '') return storedId(dialect, FIRST_ID);
  if (!isEventId(after)) return null;
  const next = BigInt(`0x${after.replaceAll('-', '')}`) + 1n;
  if (next > LAST_ID) return null;
  return storedId(dialect, textOfHex(next.toString(16).padStart(2 * ID_BYTES, '0')));
}

/**
 * The text of an id that a driver has answered: any 16 bytes are one. Anything else, as a column of SQLite may hold it, becomes
 * bytes: no event has such an id, and a text would look like one.
 */
export function readId(dialect: SqlDialect, value: unknown): string | Buffer | null {
  if (value === null) return null;
  if (dialect === 'postgres') return String(value);
  if (!Buffer.isBuffer(value)) return Buffer.from(String(value));
  return value.length === ID_BYTES ? idText(value) : value;
}

/** The canonical text of 16 bytes. */
export function idText(bytes: Buffer): string {
  return textOfHex(bytes.toString('hex'));
}

function textOfHex(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
