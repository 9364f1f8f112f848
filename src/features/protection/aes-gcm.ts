import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** How many more bytes encrypted ones have. */
export const OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES;
const NOTHING = Buffer.alloc(0);

/**
 * Encrypts by AES-256-GCM (NIST SP 800-38D), with a random nonce.
 *
 * @param place what it belongs to: it can be decrypted for nothing else
 * @returns nonce, ciphertext and tag
 */
export function encrypt(key: Buffer, plain: Uint8Array, place: Uint8Array = NOTHING): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(place);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws an error where it is not as it was encrypted, by this key for this place */
export function decrypt(key: Buffer, bytes: Uint8Array, place: Uint8Array = NOTHING): Buffer {
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(place).setAuthTag(bytes.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}
