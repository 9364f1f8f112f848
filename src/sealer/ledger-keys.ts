import { AuditError } from '../event/audit-error.js';
import { LedgerFormatError } from '../ledger/format-error.js';
import { externalSigner, parseSignerKey, parseVerifierKey } from '../ledger/keys.js';
import type { NoteSigner, NoteVerifier } from '../ledger/keys.js';
import type { LedgerOptions } from './ledger-options.js';

/** Who signs checkpoints, and whose are trusted: the signer's own, and those that are listed. */
export interface LedgerKeys {
  readonly signer?: NoteSigner;
  readonly verifiers: readonly NoteVerifier[];
}

/** @throws AuditError `AUDIT_INVALID_OPTIONS`, which never holds a private key */
export function ledgerKeys(
  { signingKey, verifierKeys = [] }: LedgerOptions,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): LedgerKeys {
  const key = signingKey ?? (environment['AUDIT_SIGNING_KEY'] || undefined);
  const signer =
    key === undefined
      ? undefined
      : parsed('ledger.signingKey', signingKey === undefined ? 'AUDIT_SIGNING_KEY' : '', () =>
          typeof key === 'string' ? parseSignerKey(key) : externalSigner(key.verifierKey, key.sign),
        );
  const texts = [...(signer ? [signer.verifierKey] : []), ...verifierKeys];
  const verifiers = texts.map((text, index) =>
    parsed(`ledger.verifierKeys[${index - (signer ? 1 : 0)}]`, '', () => parseVerifierKey(text)),
  );
  return { ...(signer && { signer }), verifiers };
}

function parsed<T>(field: string, variable: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof LedgerFormatError)) throw error;
    const from = variable === '' ? '' : ` (from the environment variable ${variable})`;
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      `The audit option ${field}${from} is wrong. ${error.message}`,
      { field },
    );
  }
}
