import { decodeHash } from './base64.js';
import { LedgerFormatError } from './format-error.js';

/** The head of a log at one size (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Which log. */
  readonly origin: string;
  /** Leaves. */
  readonly treeSize: number;
  /** 32 bytes. */
  readonly rootHash: Buffer;
  /** Further lines, which mean nothing here. */
  readonly extensions?: readonly string[];
}

/** The text of the checkpoint's note. */
export function formatCheckpoint({ origin, treeSize, rootHash, extensions = [] }: Checkpoint): string {
  return `${[origin, treeSize, rootHash.toString('base64'), ...extensions].join('\n')}\n`;
}

/**
 * @param text of a note, without its signatures
 * @throws LedgerFormatError
 */
export function parseCheckpoint(text: string): Checkpoint {
  const wrong = (what: string) => new LedgerFormatError(`The checkpoint ${what}.`);
  if (typeof text !== 'string' || !text.endsWith('\n')) throw wrong('does not end with a newline');
  const [origin = '', size = '', root = '', ...extensions] = text.slice(0, -1).split('\n');
  if (origin === '') throw wrong('has no origin in its first line');
  if (!/^(0|[1-9][0-9]{0,19})$/.test(size)) throw wrong('has no tree size in its second line');
  const treeSize = Number(size);
  if (!Number.isSafeInteger(treeSize)) throw wrong(`is of ${size} leaves, more than can be counted here`);
  const rootHash = decodeHash(root);
  if (!rootHash) throw wrong('has no base64 of 32 bytes in its third line');
  if (extensions.includes('')) throw wrong('has an empty line');
  return { origin, treeSize, rootHash, ...(extensions.length > 0 && { extensions }) };
}

/**
 * Whether the origin is that of the log of this name, or of one that followed it: after its tables were lost, the next log has
 * the same name with a slash and an id of its own.
 */
export function isOfLog(origin: string, name: string): boolean {
  return (
    origin === name || (origin.startsWith(`${name}/`) && /^[0-9a-f]{16}$/.test(origin.slice(name.length + 1)))
  );
}

/**
 * Whether a statement of one of these origins counts in the log of the other. Processes sign in the name of their log, and a record of
 * what was removed in the origin of the checkpoint that it is proved by.
 */
export function isSameLog(origin: string, other: string): boolean {
  return isOfLog(origin, other) || isOfLog(other, origin);
}
