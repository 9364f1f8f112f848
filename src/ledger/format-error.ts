/**
 * Text that is not what its standard says: a key, a note, a checkpoint, a proof. The message names what is wrong, and
 * never holds a private key.
 */
export class LedgerFormatError extends Error {
  override readonly name = 'LedgerFormatError';
}
