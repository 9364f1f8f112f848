/**
 * Text that is not what its standard says: a key, a note, a checkpoint, a proof. The message names what is wrong, and
 * never holds a private key.
 */
export class LedgerFormatError extends Error {
  override readonly name = 'LedgerFormatError';
}

/** What is wrong with the text, within a sentence. @throws the error itself where it is another one */
export function formatFault(error: unknown): string {
  if (error instanceof LedgerFormatError) return error.message.replace(/\.$/, '');
  throw error;
}
