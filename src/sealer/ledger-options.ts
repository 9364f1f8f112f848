import { group, integer, option, texts, yesNo, isFilledText } from '../event/option-schema.js';
import { connection } from '../store/store-options.js';
import type { AuditDatabaseOptions } from '../store/store-options.js';

/** A signed checkpoint, as it is handed on. */
export interface SignedCheckpoint {
  /** The name of the log, in all of its checkpoints. A log of another name is not continued. */
  readonly origin: string;
  /** Leaves. */
  readonly treeSize: number;
  /** Base64 of 32 bytes. */
  readonly rootHash: string;
  /** The signed note (C2SP tlog-checkpoint); without signature where there is no signing key. */
  readonly note: string;
}

/** Where checkpoints go: what is kept there shows a history that was rewritten together with its checkpoints. */
export type CheckpointPublisher =
  /** A file that is only ever appended to, a line of JSON for each checkpoint. */
  | { readonly file: string }
  /** The note by POST, as `text/plain`; tried again until the answer is 2xx. */
  | { readonly url: string; readonly headers?: Readonly<Record<string, string>> }
  /** A function of yours; called again where it fails. */
  | ((checkpoint: SignedCheckpoint) => void | Promise<void>);

/** A private key that is elsewhere, such as in a KMS. */
export interface ExternalSigningKey {
  /** The text form of its public key, `<name>+<key id>+<base64>`. */
  readonly verifierKey: string;
  /** Answers the Ed25519 signature of the bytes, 64 bytes. */
  readonly sign: (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;
}

/** How what is stored becomes a log that nobody can change unseen who has not its signing key. */
export interface LedgerOptions {
  /** Whether this process seals. @defaultValue `true` */
  readonly seal?: boolean;
  /**
   * The connection of the user who seals (`docs/operate/hardening.md#who-seals`), in TypeORM's
   * `DataSourceOptions`. Then only this user needs INSERT on the tables of the log; whoever has it can stop
   * sealing.
   * @defaultValue the audit's own connection
   */
  readonly database?: AuditDatabaseOptions;
  /** Milliseconds between two turns of the sealer. @defaultValue 1000 */
  readonly intervalMs?: number;
  /**
   * The Ed25519 key that signs checkpoints and notes about sources: the text that `nest-audit keygen` prints,
   * or a key elsewhere, such as in a KMS.
   * @defaultValue the environment variable `AUDIT_SIGNING_KEY`; without either, nothing is signed
   */
  readonly signingKey?: string | ExternalSigningKey;
  /**
   * Verifier keys that are trusted too: of former signing keys and of other processes.
   * @defaultValue `[]`
   */
  readonly verifierKeys?: readonly string[];
  /**
   * How many leaves the log had when it got its first key (`docs/prove/tamper-evidence.md#keys`). Up to
   * there, checkpoints and records of removals and legal holds may be unsigned.
   * @defaultValue 0
   */
  readonly unsignedUntil?: number;
  /**
   * The name of the log, in all of its checkpoints; a log of another name is not continued. @defaultValue the signing key's
   * name, else one made for the installation
   */
  readonly origin?: string;
  /** Milliseconds that a missing number may still come before it is recorded as lost. @defaultValue 60000 */
  readonly gapTimeoutMs?: number;
  /** Where each checkpoint is sent. */
  readonly publish?: CheckpointPublisher | readonly CheckpointPublisher[];
}

export const LEDGER_DEFAULTS = {
  seal: true,
  intervalMs: 1_000,
  unsignedUntil: 0,
  gapTimeoutMs: 60_000,
} as const satisfies LedgerOptions;

/** The options, with the defaults of those that are not given. */
export type LedgerSettings = LedgerOptions & Required<Pick<LedgerOptions, keyof typeof LEDGER_DEFAULTS>>;

function isSigningKey(value: unknown): boolean {
  const { verifierKey, sign } = Object(value) as Partial<ExternalSigningKey>;
  return isFilledText(value) || (isFilledText(verifierKey) && typeof sign === 'function');
}

function isPublisher(value: unknown): boolean {
  if (typeof value === 'function') return true;
  const { file, url, ...rest } = (value ?? {}) as Record<string, unknown>;
  if (file !== undefined) return isFilledText(file) && url === undefined && Object.keys(rest).length === 0;
  return isFilledText(url) && URL.canParse(url as string) && /^https?:/.test(url as string);
}

export const ledgerSchema = group({
  seal: yesNo,
  database: connection('AUDIT_SEALER_URL'),
  intervalMs: integer(10, 600_000),
  signingKey: option(
    isSigningKey,
    'the line that nest-audit keygen prints, PRIVATE+KEY+…, or { verifierKey, sign } for a key elsewhere',
  ),
  verifierKeys: texts("a list of verifier keys, ['audit.example+…']"),
  unsignedUntil: integer(0, Number.MAX_SAFE_INTEGER),
  origin: option(
    (value) => isFilledText(value) && !/[\s+]/.test(value as string),
    "the name of the log without spaces and plus signs, 'audit.example.com'",
  ),
  gapTimeoutMs: integer(0, 86_400_000),
  publish: option(
    (value) => [value].flat().every(isPublisher),
    "{ file: 'checkpoints.jsonl' }, { url: 'https://…' }, a function of the checkpoint, or a list of these",
  ),
} satisfies Record<keyof LedgerOptions, unknown>);
