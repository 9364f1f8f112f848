import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { AuditError } from '../../event/audit-error.js';
import { safeText } from '../../event/safe-text.js';
import { answerWithin } from '../../store/within.js';
import { decrypt, encrypt } from './aes-gcm.js';

/** A KMS, as the library asks it. */
export interface KeyManagement {
  /** Names the key that wraps from now on; kept with what it has wrapped. */
  readonly keyId: string;
  /**
   * Names of keys that wrapped before. Only these and `keyId` are ever asked for: what another name stands on was written by somebody else.
   * @defaultValue none
   */
  readonly formerKeyIds?: readonly string[];
  /** Encrypts the 64 bytes; what it answers may have at most 3,000. */
  wrap(key: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * Decrypts what `wrap` answered, by the key of that name and no other.
   *
   * @param keyId the name of the key at that time: `keyId`, or one of `formerKeyIds`
   */
  unwrap(wrapped: Uint8Array, keyId: string): Uint8Array | Promise<Uint8Array>;
}

/** The master key that a key was wrapped by is not there, or the KMS does not answer: it may be later. */
export class KeyUnavailableError extends AuditError {
  constructor(readonly reason: string) {
    super('AUDIT_STORE_UNAVAILABLE', `The keys of protected values can't be read: ${reason}.`);
  }
}

/** What was wrapped was changed, or belongs to another place. */
export class KeyDamagedError extends Error {
  override readonly name = 'KeyDamagedError';
}

const KEY_BYTES = 32;
const MOST_WRAPPED_BYTES = 3_000;
/** How long a KMS may take. */
const KMS_TIMEOUT_MS = 10_000;

/** A key of 256 bits that wraps others. */
export class MasterKey {
  /** Tells it from others, and tells nothing of it. */
  readonly id: string;

  constructor(private readonly key: Buffer) {
    this.id = `local-${createHmac('sha256', key).update('nest-audit-trail master key id').digest('hex').slice(0, 16)}`;
  }

  wrap(plain: Uint8Array): Buffer {
    return encrypt(this.key, plain);
  }

  /** @throws KeyDamagedError */
  unwrap(wrapped: Uint8Array): Buffer {
    try {
      return decrypt(this.key, wrapped);
    } catch {
      throw new KeyDamagedError('the wrapped key is not as the master key wrapped it');
    }
  }
}

/** Wraps keys by the master key of the options, and unwraps those that it, or one before it, has wrapped. */
export class MasterKeys {
  constructor(
    private readonly options: {
      /** Absent where a KMS wraps. */
      readonly masterKey?: MasterKey;
      readonly retiredMasterKeys: readonly MasterKey[];
      readonly kms?: KeyManagement;
    },
  ) {}

  /** Names the master key that wraps from now on. */
  get currentId(): string {
    const { kms, masterKey } = this.options;
    return kms?.keyId ?? masterKey!.id;
  }

  /** Whether the options name this master key. */
  has(masterId: string): boolean {
    const { kms } = this.options;
    const named = kms ? [kms.keyId, ...(kms.formerKeyIds ?? [])] : [];
    return named.includes(masterId) || this.localOf(masterId) !== undefined;
  }

  /**
   * @param key 32 bytes
   * @param place what the wrapped key belongs to: it can be unwrapped for nothing else
   * @returns base64
   * @throws KeyUnavailableError
   */
  async wrap(key: Buffer, place: string): Promise<string> {
    const { kms, masterKey } = this.options;
    const plain = Buffer.concat([key, digestOf(place)]);
    try {
      const wrapped = kms ? await asked('wrap', () => kms.wrap(Buffer.from(plain))) : masterKey!.wrap(plain);
      if (wrapped.length > 0 && wrapped.length <= MOST_WRAPPED_BYTES) {
        return Buffer.from(wrapped).toString('base64');
      }
      throw new KeyUnavailableError(`kms.wrap() answered ${wrapped.length} bytes`);
    } finally {
      plain.fill(0);
    }
  }

  /**
   * @param masterId which master key has wrapped it
   * @throws KeyUnavailableError; KeyDamagedError
   */
  async unwrap(wrapped: string, masterId: string, place: string): Promise<Buffer> {
    const { kms } = this.options;
    const bytes = Buffer.from(wrapped, 'base64');
    const local = this.localOf(masterId);
    if (!this.has(masterId)) {
      throw new KeyUnavailableError(
        `a key was wrapped by the master key ${safeText(masterId, 80)}, which is not among ${kms ? 'protection.kms.keyId, protection.kms.formerKeyIds' : 'protection.masterKey'} and protection.retiredMasterKeys`,
      );
    }
    const plain = local ? local.unwrap(bytes) : await asked('unwrap', () => kms!.unwrap(bytes, masterId));
    const isWhole =
      plain.length === 2 * KEY_BYTES && timingSafeEqual(plain.subarray(KEY_BYTES), digestOf(place));
    const key = Buffer.from(plain.subarray(0, KEY_BYTES));
    if (local) plain.fill(0);
    if (isWhole) return key;
    throw new KeyDamagedError('the wrapped key belongs to another place');
  }

  private localOf(masterId: string): MasterKey | undefined {
    const { masterKey, retiredMasterKeys } = this.options;
    return [masterKey, ...retiredMasterKeys].find((key) => key?.id === masterId);
  }
}

/** @throws KeyUnavailableError */
async function asked(
  name: 'wrap' | 'unwrap',
  ask: () => Uint8Array | Promise<Uint8Array>,
): Promise<Uint8Array> {
  let answer: unknown;
  try {
    answer = await answerWithin(KMS_TIMEOUT_MS, Promise.resolve(ask()));
  } catch (error) {
    // A KMS quotes no key in its errors.
    throw new KeyUnavailableError(
      `protection.kms.${name}() failed: ${String((error as Error)?.message ?? error)}`,
    );
  }
  if (ArrayBuffer.isView(answer)) return answer as Uint8Array;
  throw new KeyUnavailableError(`protection.kms.${name}() did not answer bytes`);
}

function digestOf(place: string): Buffer {
  return createHash('sha256').update(place).digest();
}
