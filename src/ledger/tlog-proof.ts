import { decodeBase64, decodeHash } from './base64.js';
import { LedgerFormatError } from './format-error.js';

/** That an entry is in the log of a checkpoint, to be checked offline (C2SP tlog-proof). */
export interface TlogProof {
  /** Counted from 0. */
  readonly leafIndex: number;
  /** From the leaf's sibling up (RFC 6962, section 2.1.1). */
  readonly proof: readonly Buffer[];
  /** The signed note. */
  readonly checkpoint: string;
  /** Not covered by the proof. */
  readonly extraData?: Buffer;
}

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** Hashes of the longest path. */
const MAX_PROOF = 64;

/** The text of a `.tlog-proof` file. */
export function formatTlogProof({ leafIndex, proof, checkpoint, extraData }: TlogProof): string {
  const lines = [
    FIRST_LINE,
    ...(extraData ? [`extra ${extraData.toString('base64')}`] : []),
    `index ${leafIndex}`,
    ...proof.map((hash) => hash.toString('base64')),
  ];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** @throws LedgerFormatError */
export function parseTlogProof(text: string): TlogProof {
  const wrong = (what: string) => new LedgerFormatError(`The proof ${what}.`);
  const split = typeof text === 'string' ? text.indexOf('\n\n') : -1;
  if (split < 0) throw wrong('has no empty line before its checkpoint');
  const lines = text.slice(0, split).split('\n');
  if (lines.shift() !== FIRST_LINE) throw wrong(`does not begin with ${FIRST_LINE}`);
  const extra = lines[0]?.startsWith('extra ') ? decodeBase64(lines.shift()!.slice('extra '.length)) : null;
  if (extra === undefined) throw wrong('has extra data that is not base64');
  const [, index] = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '') ?? [];
  const leafIndex = Number(index);
  if (!Number.isSafeInteger(leafIndex)) throw wrong('has no line with its index');
  if (lines.length > MAX_PROOF) throw wrong(`has ${lines.length} hashes`);
  const proof = lines.map((line) => {
    const hash = decodeHash(line);
    if (!hash) throw wrong('has a line that is not the base64 of 32 bytes');
    return hash;
  });
  return { leafIndex, proof, checkpoint: text.slice(split + 2), ...(extra && { extraData: extra }) };
}
