/**
 * Text that is not what its standard says: a key, a note, a checkpoint, a proof. The message names what is wrong, and
 * never holds a private key.
 */
export class LedgerFormatError extends Error {
  override readonly name = 'LedgerFormatError';
}

/** What is read of a text; `undefined` where that is not what its standard says. */
export function unlessMalformed<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof LedgerFormatError) return undefined;
    throw error;
  }
}

/** What is wrong with the text, within a sentence. @throws the error itself where it is another one */
export function formatFault(error: unknown): string {
  if (error instanceof LedgerFormatError) return error.message.replace(/\.$/, '');
  throw error;
}
