import { createPrivateKey, createPublicKey, hash, randomBytes, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { decodeBase64 } from './base64.js';
import { LedgerFormatError } from './format-error.js';

/** Signs notes in one name. */
export interface NoteSigner {
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Buffer;
  /** What others check its signatures with. */
  readonly verifierKey: string;
  /** Answers the signature, 64 bytes. */
  sign(text: Uint8Array): Buffer | Promise<Buffer>;
}

/** Checks the signatures of one name. */
export interface NoteVerifier {
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Buffer;
  /** Its text form. */
  readonly verifierKey: string;
  /** Never throws. */
  verify(text: Uint8Array, signature: Uint8Array): boolean;
}

/** The signature type of C2SP signed-note. */
const ED25519 = 0x01;
const KEY_SIZE = 32;
const SIGNATURE_SIZE = 64;
/** As the notes of Go's checksum database write signers. */
const PRIVATE = 'PRIVATE+KEY+';
/** What comes before the 32 bytes of an Ed25519 key in PKCS #8 and in SPKI (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * A new pair of Ed25519 keys.
 *
 * @param name of who signs, best a URL without its scheme: `audit.example.com`
 * @returns the text forms; the signer's is a secret
 * @throws LedgerFormatError where the name can't be one
 */
export function generateKeys(name: string): { signerKey: string; verifierKey: string } {
  checkName(name);
  // A private key is 32 bytes at random (RFC 8032, section 5.1.5).
  const seed = randomBytes(KEY_SIZE);
  const { keyId, verifierKey } = identityOf(name, publicKeyOf(seed));
  return { signerKey: `${PRIVATE}${name}+${keyId.toString('hex')}+${encode(seed)}`, verifierKey };
}

/**
 * @param text `PRIVATE+KEY+<name>+<key id>+<base64>`, as {@link generateKeys} and `nest-audit keygen` write it
 * @throws LedgerFormatError which never holds the key
 */
export function parseSignerKey(text: string): NoteSigner {
  const wrong = (what: string) =>
    new LedgerFormatError(
      `The signing key ${what}: write the line PRIVATE+KEY+… that nest-audit keygen prints.`,
    );
  const line = typeof text === 'string' ? text.trim() : '';
  if (!line.startsWith(PRIVATE)) throw wrong(`does not begin with ${PRIVATE}`);
  const { identity, key } = partsOf(line.slice(PRIVATE.length), wrong, publicKeyOf);
  const privateKey = privateKeyOf(key);
  return { ...identity, sign: (bytes) => sign(null, bytes, privateKey) };
}

/**
 * @param text `<name>+<key id>+<base64>` (C2SP signed-note)
 * @throws LedgerFormatError
 */
export function parseVerifierKey(text: string): NoteVerifier {
  const wrong = (what: string) =>
    new LedgerFormatError(
      `The verifier key ${what}: write <name>+<8 hexadecimal digits>+<base64>, as nest-audit keygen prints it.`,
    );
  const line = typeof text === 'string' ? text.trim() : '';
  if (line.startsWith(PRIVATE)) throw wrong('is a private key');
  const { identity, key } = partsOf(line, wrong, (publicKey) => publicKey);
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: 'der', type: 'spki' });
  return {
    ...identity,
    verify(bytes, signature) {
      try {
        return signature.byteLength === SIGNATURE_SIZE && verify(null, bytes, publicKey, signature);
      } catch {
        // It is no bytes at all.
        return false;
      }
    },
  };
}

/**
 * A signer whose private key is elsewhere, such as in a KMS. Its signatures are checked before they are used.
 *
 * @param verifierKey the text form of its public key
 * @param signBytes answers the Ed25519 signature of the bytes, 64 bytes
 * @throws LedgerFormatError
 */
export function externalSigner(
  verifierKey: string,
  signBytes: (text: Uint8Array) => Uint8Array | Promise<Uint8Array>,
): NoteSigner {
  const { verify: isGood, ...identity } = parseVerifierKey(verifierKey);
  return {
    ...identity,
    async sign(text) {
      // A copy: what is checked must be what was asked for, whatever became of what was handed out.
      const signature = await signBytes(Buffer.from(text));
      if (signature instanceof Uint8Array && isGood(text, signature)) return Buffer.from(signature);
      throw new LedgerFormatError(
        `What sign() answered is no Ed25519 signature of 64 bytes by the key ${verifierKey}.`,
      );
    },
  };
}

/** @throws LedgerFormatError */
export function checkName(name: unknown): asserts name is string {
  if (typeof name === 'string' && name !== '' && isName(name)) return;
  throw new LedgerFormatError(
    'The name of a key is a text without spaces, plus signs and control characters: write the name of your log, such as audit.example.com.',
  );
}

function isName(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- the control characters are what is refused
  return !/[\s\u0085+\u0000-\u001f\u007f]/u.test(text) && text.isWellFormed();
}

function identityOf(name: string, publicKey: Buffer) {
  const typed = Buffer.concat([Buffer.of(ED25519), publicKey]);
  const keyId = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed]), 'buffer').subarray(0, 4);
  return { name, keyId, verifierKey: `${name}+${keyId.toString('hex')}+${typed.toString('base64')}` };
}

function partsOf(text: string, wrong: (what: string) => Error, publicOf: (key: Buffer) => Buffer) {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(text) ?? [];
  if (name === undefined || !isName(name)) throw wrong('has no name, key id and key, joined by plus signs');
  const typed = decodeBase64(encoded!);
  if (typed === undefined) throw wrong('is not base64 behind its second plus sign');
  if (typed[0] !== ED25519) throw wrong('is not one of Ed25519');
  if (typed.length !== 1 + KEY_SIZE) throw wrong(`has ${typed.length - 1} bytes instead of ${KEY_SIZE}`);
  const key = typed.subarray(1);
  const identity = identityOf(name, publicOf(key));
  if (identity.keyId.toString('hex') !== id) throw wrong('has a key id that is not of its name and key');
  return { identity, key };
}

function privateKeyOf(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
}

function publicKeyOf(seed: Buffer): Buffer {
  const publicKey = createPublicKey(privateKeyOf(seed));
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);
}

function encode(key: Buffer): string {
  return Buffer.concat([Buffer.of(ED25519), key]).toString('base64');
}
