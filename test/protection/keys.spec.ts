// How values and keys are encrypted: no nonce twice, nothing that fits elsewhere, and no key in memory for longer than it may be.
import fc from 'fast-check';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RateLimitedLog } from '../../src/event/audit-logger.js';
import { BEGINNING } from '../../src/journal/segment.js';
import { createEventId } from '../../src/event/event-id.js';
import { decryptValues, encryptValues } from '../../src/features/protection/encrypted-values.js';
import { KeyCache } from '../../src/features/protection/key-cache.js';
import { vi } from 'vitest';
import { MasterKey, MasterKeys } from '../../src/features/protection/master-keys.js';
import { TransitKeys } from '../../src/features/protection/transit-keys.js';

const anEvent = () => ({ id: createEventId(Date.now()), tenantId: 'acme' });

describe('encrypted values', () => {
  const key = randomBytes(32);
  const keyId = randomUUID();
  const values = { ipAddress: '203.0.113.77', 'details.amount': 12 };

  it('come back for their own event alone', () => {
    const event = anEvent();
    const text = encryptValues('v1', key, keyId, event, values);
    expect(decryptValues(key, text, event)).toEqual(values);
    const wrong = [
      () => decryptValues(randomBytes(32), text, event),
      () => decryptValues(key, text, anEvent()),
      () => decryptValues(key, text, { ...event, tenantId: 'other' }),
      () => decryptValues(key, text.replace(keyId, randomUUID()), event),
      () => decryptValues(key, text.replace('v1', 't1'), event),
    ];
    for (const decrypt of wrong) expect(decrypt).toThrow('not as they were encrypted');
  });

  it('do not come back once any bit of them is changed, or any byte is missing', () => {
    const event = anEvent();
    const [version, , encoded] = encryptValues('v1', key, keyId, event, values).split('.');
    const bytes = Buffer.from(encoded!, 'base64url');
    const withBytes = (forged: Buffer) => [version, keyId, forged.toString('base64url')].join('.');
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), fc.nat(bytes.length - 1), (bit, length) => {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => decryptValues(key, withBytes(flipped), event)).toThrow();
        expect(() => decryptValues(key, withBytes(bytes.subarray(0, length)), event)).toThrow();
      }),
    );
    expect(decryptValues(key, withBytes(bytes), event)).toEqual(values);
  });

  it('never meet a nonce twice', () => {
    const event = anEvent();
    const nonces = Array.from({ length: 2_000 }, () =>
      Buffer.from(encryptValues('v1', key, keyId, event, values).split('.')[2]!, 'base64url')
        .subarray(0, 12)
        .toString('hex'),
    );
    expect(new Set(nonces).size).toBe(nonces.length);
    // And events have keys of their own: with the same nonce, another event's values could not be told from noise.
    const other = anEvent();
    const own = encryptValues('v1', key, keyId, event, values);
    expect(() => decryptValues(key, own, { ...other, tenantId: event.tenantId })).toThrow();
  });
});

describe('master keys', () => {
  const local = () => new MasterKeys(new MasterKey(randomBytes(32)));

  it('wrap a key for one place', async () => {
    const masters = local();
    const key = randomBytes(32);
    const wrapped = await masters.wrap(key, 'here');
    expect(await masters.unwrap(wrapped, masters.currentId, 'here')).toEqual(key);
    await expect(masters.unwrap(wrapped, masters.currentId, 'there')).rejects.toThrow('another place');
    await expect(local().unwrap(wrapped, masters.currentId, 'here')).rejects.toThrow('not among');
    const bytes = Buffer.from(wrapped, 'base64');
    for (const at of [0, 12, bytes.length - 1]) {
      const forged = Buffer.from(bytes);
      forged[at]! ^= 0x80;
      const text = forged.toString('base64');
      await expect(masters.unwrap(text, masters.currentId, 'here')).rejects.toThrow('not as the master key');
    }
    await expect(masters.unwrap('', masters.currentId, 'here')).rejects.toThrow('not as the master key');
    expect(await masters.wrap(key, 'here')).not.toBe(wrapped);
  });

  it('say what a KMS did wrong, and ask it for 64 bytes', async () => {
    const asked: number[] = [];
    const kms = (answer: unknown) =>
      new MasterKeys({
        keyId: 'k',
        wrap: (bytes) => (asked.push(bytes.length), answer as Uint8Array),
        unwrap: () => answer as Uint8Array,
      });
    await expect(kms('text').wrap(randomBytes(32), 'here')).rejects.toThrow('did not answer bytes');
    await expect(kms(new Uint8Array()).wrap(randomBytes(32), 'here')).rejects.toThrow('answered 0 bytes');
    await expect(kms(new Uint8Array(3_001)).wrap(randomBytes(32), 'here')).rejects.toThrow('3001 bytes');
    await expect(kms(new Uint8Array(64)).unwrap('AAAA', 'k', 'here')).rejects.toThrow('another place');
    await expect(kms(new Uint8Array(32)).unwrap('AAAA', 'k', 'here')).rejects.toThrow('another place');
    expect(asked).toEqual([64, 64, 64]);
  });
});

describe('the cache of keys', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('keeps them for so long, and zeroes them then', () => {
    const cache = new KeyCache(10, 5_000);
    const [first, second] = [randomBytes(32), randomBytes(32)];
    cache.set('first', first);
    vi.advanceTimersByTime(3_000);
    cache.set('second', second);
    expect(cache.get('first')).toBe(first);
    vi.advanceTimersByTime(2_000);
    expect(first.equals(Buffer.alloc(32))).toBe(true);
    expect(cache.get('first')).toBeUndefined();
    expect(cache.get('second')).toBe(second);
    vi.advanceTimersByTime(3_000);
    expect(second.equals(Buffer.alloc(32))).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps so many, those asked for last', () => {
    const cache = new KeyCache(2, 5_000);
    const keys = Array.from({ length: 3 }, () => randomBytes(32));
    cache.set('a', keys[0]!);
    cache.set('b', keys[1]!);
    cache.get('a');
    cache.set('c', keys[2]!);
    expect(['a', 'b', 'c'].map((id) => cache.get(id))).toEqual([keys[0], undefined, keys[2]]);
    expect(keys[1]!.equals(Buffer.alloc(32))).toBe(true);
    cache.clear();
    for (const key of keys) expect(key.equals(Buffer.alloc(32))).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('the keys of a process', () => {
  beforeEach(
    () =>
      void vi.useFakeTimers({
        toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
      }),
  );
  afterEach(() => void vi.useRealTimers());

  it('wait for a KMS that does not answer no longer than they may', async () => {
    const never = new Promise<Uint8Array>(() => undefined);
    let ask!: () => void;
    const asked = new Promise<void>((resolve) => (ask = resolve));
    const kms = { keyId: 'k', wrap: () => (ask(), never), unwrap: () => never };
    const directory = mkdtempSync(join(tmpdir(), 'audit-keys-'));
    const events = { directory, mark: () => ({ number: 0, place: BEGINNING }), isSettledThrough: () => true };
    const warnings = new RateLimitedLog({
      log: () => undefined,
      warn: () => undefined,
      error: () => undefined,
    });
    const keys = new TransitKeys(new MasterKeys(kms), 60_000, events, warnings);
    const inTime = async <T>(work: Promise<T>, ms: number): Promise<T | 'late'> => {
      const late = vi.advanceTimersByTimeAsync(ms + 100).then(() => 'late' as const);
      return Promise.race([work, late]);
    };
    const opening = keys.open();
    await asked;
    expect(await inTime(opening, 2_000)).toBeUndefined();
    // Whoever asks each second does not make the queue longer.
    await vi.advanceTimersByTimeAsync(30_500);
    expect(keys.current.key).toHaveLength(32);
    expect(await inTime(keys.renew(), 5_000)).toBe(false);
    expect(await inTime(keys.close(false), 2_000)).toBeUndefined();
    rmSync(directory, { recursive: true });
  });
});
