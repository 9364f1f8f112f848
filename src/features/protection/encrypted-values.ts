import { hkdfSync } from 'node:crypto';
import type { AuditLogEvent, AuditValue } from '../../event/audit-log-event.js';
import { canonicalJson } from '../../ledger/canonical-json.js';
import { decrypt, encrypt, OVERHEAD_BYTES } from './aes-gcm.js';

/** By field: `userId`, `details.email`. */
export type ProtectedValues = Readonly<Record<string, AuditValue>>;

/** Under the key of a subject, as stored; or under that of a process, on the way from it into the database. */
export type Wrapping = 'v1' | 't1';

/** Of the form without its values. */
export const ENCRYPTED_OVERHEAD = 3 + 36 + 1 + Math.ceil((OVERHEAD_BYTES * 4) / 3);
const FORM = /^(v1|t1)\.([0-9a-f-]{36})\.([A-Za-z0-9_-]{38,})$/;

type Place = Pick<AuditLogEvent, 'id' | 'tenantId'>;

/**
 * Encrypts under a key of the event's own, derived from that of the subject by HKDF (RFC 5869): so no nonce
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
  const eventKey = eventKeyOf(key, wrapping, event);
  const plain = Buffer.from(JSON.stringify(values));
  const bytes = encrypt(eventKey, plain, placeOf(wrapping, keyId, event));
  plain.fill(0);
  eventKey.fill(0);
  return `${wrapping}.${keyId}.${bytes.toString('base64url')}`;
}

/** @throws an error where the text is not as it was encrypted, or not for this event */
export function decryptValues(key: Buffer, text: string, event: Place): unknown {
  const [, wrapping, keyId, encoded] = FORM.exec(text) ?? [];
  if (encoded === undefined) throw new Error('it has not the form of encrypted values');
  const eventKey = eventKeyOf(key, wrapping as Wrapping, event);
  try {
    const place = placeOf(wrapping as Wrapping, keyId!, event);
    return JSON.parse(decrypt(eventKey, Buffer.from(encoded, 'base64url'), place).toString());
  } catch (cause) {
    throw new Error('they are not as they were encrypted, or not for this event', { cause });
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

function placeOf(wrapping: Wrapping, keyId: string, { id, tenantId }: Place): Buffer {
  return Buffer.from(canonicalJson([wrapping, keyId, id, tenantId]));
}
