// Statements about the tables: who may be believed, and what is no statement at all.
import { generateKeys, parseSignerKey, parseVerifierKey } from '../../src/ledger/keys.js';
import { signNote } from '../../src/ledger/note.js';
import { openStatement, signStatement } from '../../src/ledger/statement.js';
import type { Statement } from '../../src/ledger/statement.js';

const keys = generateKeys('audit.example');
const signer = parseSignerKey(keys.signerKey);
const verifiers = [parseVerifierKey(keys.verifierKey)];
const statement: Statement = { kind: 'source', origin: 'audit.example', lines: ['a-source', 'closed 7'] };

describe('a statement', () => {
  it('is trusted where a known key signed it', async () => {
    const note = await signStatement(statement, signer);
    expect(openStatement('source', note, verifiers)).toEqual({
      ...statement,
      isSigned: true,
      isTrusted: true,
    });
    expect(openStatement('source', note, [])).toMatchObject({ isSigned: true, isTrusted: false });
  });

  it('is not trusted without a signature, or with that of a stranger', async () => {
    const bare = await signStatement(statement, undefined);
    expect(bare).toBe('nest-audit-trail/source/v1\naudit.example\na-source\nclosed 7\n\n');
    expect(openStatement('source', bare, verifiers)).toMatchObject({ isSigned: false, isTrusted: false });
    const stranger = parseSignerKey(generateKeys('audit.example').signerKey);
    const note = await signStatement(statement, stranger);
    expect(openStatement('source', note, verifiers)).toMatchObject({ isSigned: true, isTrusted: false });
  });

  it('of one kind is none of another, and a changed one has a wrong signature', async () => {
    const note = await signStatement(statement, signer);
    expect(() => openStatement('removal', note, verifiers)).toThrow('no statement of the kind removal');
    expect(() => openStatement('source', note.replace('closed 7', 'closed 8'), verifiers)).toThrow(
      'is wrong',
    );
  });

  it.each([
    undefined,
    null,
    7,
    {},
    '',
    '\n',
    '\n\n',
    'nest-audit-trail/source/v1\n\n',
    'nest-audit-trail/source/v1\na\n\n',
    'nest-audit-trail/source/v1\na\n\nb\n\n',
    'nest-audit-trail/source/v2\na\nb\n\n',
    'nest-audit-trail/source/v1\na\nb\u0000\n\u2014 a b',
  ])('is never read out of %j', (note) => {
    expect(() => openStatement('source', note, verifiers)).toThrow(
      expect.objectContaining({ name: 'LedgerFormatError' }),
    );
  });

  it.each([[[]], [['']], [['a\nb']], [['a\u0007']]])('is not made of the lines %j', async (lines) => {
    await expect(signStatement({ ...statement, lines }, signer)).rejects.toMatchObject({
      name: 'LedgerFormatError',
    });
  });

  it('is not mistaken for a checkpoint with a signature by the same key', async () => {
    const checkpoint = await signNote('audit.example\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n', [
      signer,
    ]);
    expect(() => openStatement('source', checkpoint, verifiers)).toThrow('no statement');
  });
});
