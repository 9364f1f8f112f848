import { decodeBase64 } from '../../ledger/base64.js';
import { HASH_SIZE } from '../../ledger/merkle.js';

/** The bytes of a stored hash, where it is one. */
export function hashBytes(text: string): Buffer | undefined {
  const bytes = decodeBase64(text);
  return bytes?.length === HASH_SIZE ? bytes : undefined;
}
