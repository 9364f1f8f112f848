import { LedgerFormatError } from '../../ledger/format-error.js';
import type { NoteSigner, NoteVerifier } from '../../ledger/keys.js';
import { openStatement, signStatement } from '../../ledger/statement.js';
import type { StatementKind } from '../../ledger/statement.js';

/** The action of the event of a hold that was lifted. */
export const RELEASE_ACTION = 'audit.release-hold';

/** What the event of a legal hold, or of its lifting, says: in canonical JSON, so that it can be compared as a text. */
export interface HoldRecord {
  readonly kind: Extract<StatementKind, 'hold' | 'hold-release'>;
  /** Of the log. */
  readonly origin: string;
  /** Of the event that has the record. */
  readonly eventId: string;
  /** The event's details without the record, by `canonicalJson`. */
  readonly details: string;
}

/**
 * The record as a statement, see `signStatement`.
 *
 * @throws LedgerFormatError where no note may have that text
 */
export function sealHold(
  { kind, origin, eventId, details }: HoldRecord,
  signer: NoteSigner | undefined,
): Promise<string> {
  return signStatement({ kind, origin, lines: [eventId, details] }, signer);
}

/** @throws LedgerFormatError where it is no such record, or a signature of a verifier is wrong */
export function openHold(
  kind: HoldRecord['kind'],
  note: unknown,
  verifiers: readonly NoteVerifier[],
): HoldRecord & { readonly isTrusted: boolean } {
  const { origin, lines, isTrusted } = openStatement(kind, note, verifiers);
  const [eventId, details] = lines;
  if (lines.length !== 2) throw new LedgerFormatError('The statement is no record of a legal hold.');
  return { kind, origin, eventId: eventId!, details: details!, isTrusted };
}
