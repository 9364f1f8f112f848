import { HASH_SIZE } from './merkle.js';

/** The bytes of standard base64 (RFC 4648, section 4), or `undefined` where it is not exactly the text of that. */
export function decodeBase64(text: unknown): Buffer | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** The 32 bytes of a hash in the same base64, or `undefined` where it is none. */
export function decodeHash(text: unknown): Buffer | undefined {
  const bytes = decodeBase64(text);
  return bytes?.length === HASH_SIZE ? bytes : undefined;
}
