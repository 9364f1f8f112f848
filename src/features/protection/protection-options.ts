import type { AuditError } from '../../event/audit-error.js';
import {
  checkOption,
  functionOf,
  group,
  integer,
  list,
  option,
  withDefaults,
  wrongOption,
} from '../../event/option-schema.js';
import type { OptionSchema } from '../../event/option-schema.js';
import { defined } from '../../event/present.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { keyBytes } from '../../recorder/key-bytes.js';
import { REDACTED_FIELDS } from '../../recorder/redaction/redaction-options.js';
import type { RedactedField } from '../../recorder/redaction/redaction-options.js';
import { wildcard } from '../../recorder/redaction/redactor.js';
import type { Redactor } from '../../recorder/redaction/redactor.js';
import { ID_FIELDS } from '../../recorder/stored-text.js';
import type { IdField } from '../../recorder/stored-text.js';
import { MasterKey, MasterKeys } from './master-keys.js';
import type { KeyManagement } from './master-keys.js';

/** Which values are encrypted for whom, and what with. */
export interface ProtectionOptions {
  /**
   * What is encrypted: `userId`, `sessionId`, `resourceId`, `userAgent`, `ipAddress`, dotted keys in
   * `details` and `metadata` with everything below them, or `details` as a whole. `*` is one part of a key:
   * `'details.*.email'`. Needed; `[]` when nothing is to be encrypted any more
   * (`docs/comply/encryption.md#when-nothing-is-to-be-protected-any-more`).
   */
  readonly fields: readonly string[];
  /**
   * Whose data these are (`docs/comply/encryption.md#whose-data-these-are`). What belongs to nobody is
   * encrypted by a key of its tenant, which `forget()` does not reach.
   * @defaultValue `'userId'`
   */
  readonly subject?: string | ((event: AuditLogEvent) => string | undefined);
  /** The key that encrypts the keys of persons. @defaultValue the environment variable `AUDIT_MASTER_KEY` */
  readonly masterKey?: string | undefined;
  /**
   * Former master keys, to read what they have encrypted until `rotateKeys()` was called
   * (`docs/comply/encryption.md#rotation`).
   * @defaultValue `[]`
   */
  readonly retiredMasterKeys?: readonly string[];
  /**
   * Encrypts these keys instead of `masterKey`, by a key that never leaves a KMS
   * (`docs/comply/encryption.md#keys`).
   */
  readonly kms?: KeyManagement;
  /** Seconds that a decrypted key stays in memory. @defaultValue 300 */
  readonly cacheSeconds?: number;
  /** Decrypted keys in memory. @defaultValue 1000 */
  readonly cacheKeys?: number;
  /** Days after which a person gets a new key for what is recorded from then on. @defaultValue 365 */
  readonly dataKeyDays?: number;
}

const TIMES = { cacheSeconds: 300, cacheKeys: 1_000, dataKeyDays: 365 } as const;

/** The options in the form in which they are used. */
export type Protection = ReturnType<typeof checkProtection>;

const NEEDED =
  /^metadata\.(source|sequence|schemaVersion|statusCode|stageErrors|riskFactors|method|blockedBy|aborted|interrupted|withheld|protected|protectedFields)$/;
const MASTER_KEY_BYTES = 32;

/** Whether the library itself reads the fact in `metadata`, or says it there of the protection. */
export function isNeeded(name: string): boolean {
  return NEEDED.test(name);
}

const field = option(
  (name) =>
    typeof name === 'string' &&
    !isNeeded(name) &&
    (REDACTED_FIELDS.includes(name as RedactedField) ||
      /^(details|(details|metadata)(\.[^.]+)+)$/.test(name)),
  `one of ${REDACTED_FIELDS.join(', ')}, 'details', 'details.email' or 'metadata.path'; what the audit itself needs can't be protected`,
);

/** Keys are checked where they are read, since a message of the schema would quote them; so is what is in `kms`. */
export const protectionSchema = group(
  {
    fields: list(field, "a list of fields, ['ipAddress', 'details.email']"),
    subject: option(
      (value) =>
        typeof value === 'function' ||
        /^(userId|resourceId|sessionId|(details|metadata)\..+)$/.test(typeof value === 'string' ? value : ''),
      "'userId', 'resourceId', 'details.customerId', or a function of the event",
    ),
    masterKey: option(() => true, '32 bytes as base64 or hex'),
    retiredMasterKeys: option(() => true, 'a list of keys, each 32 bytes as base64 or hex'),
    kms: option((value) => typeof value === 'object' && value !== null, '{ keyId, wrap, unwrap }'),
    cacheSeconds: integer(1, 86_400),
    cacheKeys: integer(1, 1_000_000),
    dataKeyDays: integer(1, 36_500),
  } satisfies Record<keyof ProtectionOptions, OptionSchema>,
  { required: ['fields'], write: "an object, { fields: ['ipAddress'] }" },
);

const kmsName = option(
  (name) => typeof name === 'string' && /^[!-~]{1,255}$/.test(name),
  'the name of the key in the KMS, of at most 255 characters of ASCII',
);
const kmsSchema = group(
  {
    keyId: kmsName,
    formerKeyIds: list(kmsName, 'a list of names'),
    wrap: functionOf('a function'),
    unwrap: functionOf('a function'),
  } satisfies Record<keyof KeyManagement, OptionSchema>,
  { required: ['keyId', 'wrap', 'unwrap'], isOpen: true },
);

/** @throws AuditError `AUDIT_INVALID_OPTIONS`, which never quotes a key */
export function checkProtection(options: ProtectionOptions, redactor: Redactor) {
  checkOption(protectionSchema, options, 'protection');
  const { subject = 'userId', cacheSeconds, cacheKeys, dataKeyDays } = options;
  for (const field of options.fields) {
    if (!redactor.names(field)) continue;
    throw wrong('fields', `has ${field}, which redaction.fields has as well: name it in one of them`);
  }
  const facts = options.fields
    .filter((field) => field.includes('.') || field === 'details')
    // The field and all that is below it.
    .map((field) => wildcard(field, '(\\.|$)'));
  return {
    fields: REDACTED_FIELDS.filter((field) => options.fields.includes(field)),
    /** Whether a dotted key, `details.email`, is protected. */
    isProtectedFact: (key: string) => !isNeeded(key) && facts.some((pattern) => pattern.test(key)),
    subjectOf: subjectOf(subject),
    ...defined({
      /** The field of the event that names the person, where it is one of these. */
      subjectField: ID_FIELDS.find((field) => field === subject),
      /** Absent where nothing is encrypted, and nothing can be revealed. */
      masters: masterKeysOf(options),
    }),
    ...withDefaults(TIMES, { cacheSeconds, cacheKeys, dataKeyDays }),
  };
}

/** Whether keys are given, or needed: what has them may not leave this thread. */
export function hasKeys(options: ProtectionOptions): boolean {
  // Not checked yet.
  const { fields, masterKey, kms, retiredMasterKeys = [] } = Object(options) as ProtectionOptions;
  const given = [masterKey, kms, keyOfEnvironment()].some((key) => key !== undefined);
  return given || fields?.length !== 0 || retiredMasterKeys.length > 0;
}

/** Empty is none. */
function keyOfEnvironment(): string | undefined {
  return process.env['AUDIT_MASTER_KEY'] || undefined;
}

function subjectOf(
  subject: NonNullable<ProtectionOptions['subject']>,
): (event: AuditLogEvent) => string | undefined {
  if (typeof subject === 'function') return subject;
  const { record, key } = placeOf(subject);
  return (event) => (key === '' ? event[subject as IdField] : event[record][key]?.toString());
}

/** `details.customer.email` → `details` and `customer.email` */
export function placeOf(name: string): { record: 'details' | 'metadata'; key: string } {
  const [record, ...key] = name.split('.') as ['details' | 'metadata', ...string[]];
  return { record, key: key.join('.') };
}

function masterKeysOf(options: ProtectionOptions): MasterKeys | undefined {
  const { kms, masterKey, retiredMasterKeys = [] } = options;
  if (!Array.isArray(retiredMasterKeys)) {
    throw wrong('retiredMasterKeys', 'is no list: write a list of keys, each 32 bytes as base64 or hex');
  }
  if (!hasKeys(options)) return undefined;
  const retired = retiredMasterKeys.map((text, index) =>
    masterKeyOf(text, `retiredMasterKeys[${index}]`, ''),
  );
  if (kms !== undefined) {
    if (masterKey !== undefined) {
      throw wrong('kms', 'and protection.masterKey exclude each other: write the one that wraps from now on');
    }
    checkOption(kmsSchema, kms, 'protection.kms');
    return new MasterKeys(kms, retired);
  }
  const given = masterKey === undefined ? keyOfEnvironment() : masterKey;
  if (given === undefined) {
    throw wrong(
      'masterKey',
      'is missing: write 32 random bytes as base64, such as openssl rand -base64 32 prints, or set AUDIT_MASTER_KEY; or write kms',
    );
  }
  const from = masterKey === undefined ? '(from the environment variable AUDIT_MASTER_KEY) ' : '';
  return new MasterKeys(masterKeyOf(given, 'masterKey', from), retired);
}

function masterKeyOf(text: unknown, path: string, from: string): MasterKey {
  const bytes = keyBytes(text);
  if (bytes?.length === MASTER_KEY_BYTES) return new MasterKey(bytes);
  const fault = bytes ? `has ${bytes.length} bytes` : 'is neither base64 nor hex';
  throw wrong(path, `${from}${fault}: write ${MASTER_KEY_BYTES} bytes as base64 or hex`);
}

function wrong(path: string, fault: string): AuditError {
  return wrongOption(`protection.${path}`, fault);
}
