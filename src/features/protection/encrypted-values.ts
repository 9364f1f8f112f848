import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { AuditLogEvent, AuditValue } from '../../event/audit-log-event.js';
import { canonicalJson } from '../../ledger/canonical-json.js';

/** By field: `userId`, `details.email`. */
export type ProtectedValues = Readonly<Record<string, AuditValue>>;

/** Under the key of a subject, as stored; or under that of a process, on the way from it into the database. */
export type Wrapping = 'v1' | 't1';

/** Values that are not as they were encrypted, or not for this event. */
export class ValuesDamagedError extends Error {
  override readonly name = 'ValuesDamagedError';
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of the form without its values. */
export const ENCRYPTED_OVERHEAD = 3 + 36 + 1 + Math.ceil(((NONCE_BYTES + TAG_BYTES) * 4) / 3);
const FORM = /^(v1|t1)\.([0-9a-f-]{36})\.([A-Za-z0-9_-]{38,})$/;

type Place = Pick<AuditLogEvent, 'id' | 'tenantId'>;

/**
 * Encrypts by AES-256-GCM (NIST SP 800-38D) under a key of the event's own, derived from that of the subject by HKDF (RFC 5869): so no nonce
 * meets the same key twice, however many events a subject has. Bound to the event, its tenant and the key's name.
 *
 * @param key 32 bytes
 * @param keyId a UUID
 * @returns `v1.<key id>.<base64url of nonce, ciphertext and tag>`
 */
export function encryptValues(
  wrapping: Wrapping,
  key: Buffer,
  keyId: string,
  event: Place,
  values: object,
): string {
  const nonce = randomBytes(NONCE_BYTES);
  const eventKey = eventKeyOf(key, wrapping, event);
  const cipher = createCipheriv('aes-256-gcm', eventKey, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(wrapping, keyId, event));
  const plain = Buffer.from(JSON.stringify(values));
  const bytes = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  plain.fill(0);
  eventKey.fill(0);
  return `${wrapping}.${keyId}.${bytes.toString('base64url')}`;
}

/** @throws ValuesDamagedError */
export function decryptValues(key: Buffer, text: string, event: Place): unknown {
  const [, wrapping, keyId, encoded] = FORM.exec(text) ?? [];
  if (encoded === undefined) throw new ValuesDamagedError('it has not the form of encrypted values');
  const bytes = Buffer.from(encoded, 'base64url');
  const eventKey = eventKeyOf(key, wrapping as Wrapping, event);
  try {
    const decipher = createDecipheriv('aes-256-gcm', eventKey, bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(associatedData(wrapping as Wrapping, keyId!, event));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    return JSON.parse(plain.toString());
  } catch (cause) {
    throw new ValuesDamagedError('they are not as they were encrypted, or not for this event', { cause });
  } finally {
    eventKey.fill(0);
  }
}

/** Which key has encrypted the text; `undefined` where it is no such text. */
export function keyIdOf(text: unknown, wrapping: Wrapping): string | undefined {
  const [, found, keyId] = (typeof text === 'string' && FORM.exec(text)) || [];
  return found === wrapping ? keyId : undefined;
}

function eventKeyOf(key: Buffer, wrapping: Wrapping, { id }: Place): Buffer {
  const info = `nest-audit-trail protect ${wrapping}\0${id}`;
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), info, 32));
}

function associatedData(wrapping: Wrapping, keyId: string, { id, tenantId }: Place): Buffer {
  return Buffer.from(canonicalJson([wrapping, keyId, id, tenantId]));
}
