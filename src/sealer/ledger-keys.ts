import { wrongOption } from '../event/option-schema.js';
import { formatFault } from '../ledger/format-error.js';
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
  const verifiers = verifierKeys.map((text, index) =>
    parsed(`ledger.verifierKeys[${index}]`, '', () => parseVerifierKey(text)),
  );
  const key = signingKey ?? (environment['AUDIT_SIGNING_KEY'] || undefined);
  if (key === undefined) return { verifiers };
  const from = signingKey === undefined ? '(from the environment variable AUDIT_SIGNING_KEY) ' : '';
  const signer = parsed('ledger.signingKey', from, () =>
    typeof key === 'string' ? parseSignerKey(key) : externalSigner(key.verifierKey, key.sign),
  );
  return { signer, verifiers: [parseVerifierKey(signer.verifierKey), ...verifiers] };
}

function parsed<T>(field: string, from: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw wrongOption(field, `${from}is wrong. ${formatFault(error)}`);
  }
}
