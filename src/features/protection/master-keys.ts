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

/** A key of 256 bits that wraps others, asked as a KMS is. */
export class MasterKey implements KeyManagement {
  /** Tells it from others, and tells nothing of it. */
  readonly keyId: string;

  constructor(private readonly key: Buffer) {
    this.keyId = `local-${createHmac('sha256', key).update('nest-audit-trail master key id').digest('hex').slice(0, 16)}`;
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

/** Wraps keys by the master key of the options or by a KMS, and unwraps those that it, or one before it, has wrapped. */
export class MasterKeys {
  constructor(
    private readonly current: KeyManagement,
    private readonly retired: readonly MasterKey[] = [],
  ) {}

  /** Names the master key that wraps from now on. */
  get currentId(): string {
    return this.current.keyId;
  }

  /** Whether the options name this master key. */
  has(masterId: string): boolean {
    return this.named(masterId) !== undefined;
  }

  /**
   * @param key 32 bytes
   * @param place what the wrapped key belongs to: it can be unwrapped for nothing else
   * @returns base64
   * @throws KeyUnavailableError
   */
  async wrap(key: Buffer, place: string): Promise<string> {
    const plain = Buffer.concat([key, digestOf(place)]);
    try {
      // A KMS may keep what it is given.
      const given = this.current instanceof MasterKey ? plain : Buffer.from(plain);
      const wrapped = await asked('wrap', () => this.current.wrap(given));
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
    const master = this.named(masterId);
    if (!master) {
      const options =
        this.current instanceof MasterKey ? 'masterKey' : 'kms.keyId, protection.kms.formerKeyIds';
      throw new KeyUnavailableError(
        `a key was wrapped by the master key ${safeText(masterId, 80)}, which is not among protection.${options} and protection.retiredMasterKeys`,
      );
    }
    const plain = await asked('unwrap', () => master.unwrap(Buffer.from(wrapped, 'base64'), masterId));
    const isWhole =
      plain.length === 2 * KEY_BYTES && timingSafeEqual(plain.subarray(KEY_BYTES), digestOf(place));
    const key = Buffer.from(plain.subarray(0, KEY_BYTES));
    // What a KMS answers is its own.
    if (master instanceof MasterKey) plain.fill(0);
    if (isWhole) return key;
    throw new KeyDamagedError('the wrapped key belongs to another place');
  }

  private named(masterId: string): KeyManagement | undefined {
    const all: readonly KeyManagement[] = [...this.retired, this.current];
    return all.find(({ keyId, formerKeyIds = [] }) => [keyId, ...formerKeyIds].includes(masterId));
  }
}

/** @throws KeyUnavailableError; KeyDamagedError */
async function asked(
  name: 'wrap' | 'unwrap',
  ask: () => Uint8Array | Promise<Uint8Array>,
): Promise<Uint8Array> {
  let answer: unknown;
  try {
    answer = await answerWithin(KMS_TIMEOUT_MS, Promise.resolve(ask()));
  } catch (error) {
    if (error instanceof KeyDamagedError) throw error;
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
