// A bundle or a kept checkpoint that one reader understands in one way and the next in another: with a member twice, one event is shown and
// another is verified. nest-audit refuses such files.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../src/cli/program.js';
import { checkProof, LedgerFormatError, parseStrictJson, parseVerifierKey } from 'nest-audit-trail/ledger';
import { generateKeys } from '../../../src/ledger/keys.js';
import { eventually } from '../../support/eventually.js';
import { startLedgerApp } from '../../support/ledger-app.js';
import { createDatabase } from '../../support/harness/databases.js';

const keys = generateKeys('audit.example');
let folder: string;
let bundle: string;
let note: string;

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await run(args, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

let count = 0;
function file(text: string): string {
  count += 1;
  const path = join(folder, `${count}.json`);
  writeFileSync(path, text);
  return path;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'audit-bundles-'));
  const database = await createDatabase('sqlite');
  const app = await startLedgerApp(database, { ledger: { signingKey: keys.signerKey } });
  try {
    const { id } = await app.audit.record({
      action: 'invoice.pay',
      tenantId: 'acme',
      details: { amount: 100, text: 'a "quoted" {text}, with: [all] \\ of it' },
    });
    await eventually(() => app.audit.flush());
    bundle = JSON.stringify(await app.audit.prove(id), undefined, 2);
    ({ note } = await app.audit.checkpoint());
  } finally {
    await app.close();
    await database.drop();
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('proof bundles that say two things at once', () => {
  const verify = (text: string) => cli('verify-proof', file(text), '--key', keys.verifierKey);

  it('are refused, and the genuine one is not', async () => {
    expect(await verify(bundle)).toMatchObject({ code: 0, out: expect.stringContaining('Sound') });
    const event = JSON.stringify((JSON.parse(bundle) as { event: object }).event);
    const forged = event.replace('invoice.pay', 'invoice.ask');
    expect(forged).not.toBe(event);
    const twice: Record<string, string> = {
      'an event': bundle.replace('"event":', `"event": ${forged}, "event":`),
      'an event, escaped': bundle.replace('"event":', `"\\u0065vent": ${forged}, "event":`),
      'an event, at the end': bundle.replace(/\}\s*$/, `, "event": ${event}}`),
      'an action': bundle.replace('"action":', '"action": "invoice.ask", "action":'),
      'a detail': bundle.replace('"amount":', '"amount": 1, "amount":'),
      'a detail behind a text with brackets': bundle.replace('"text":', '"text": "{\\"[", "text":'),
      'a checkpoint': bundle.replace('"checkpoint":', '"checkpoint": "x", "checkpoint":'),
      'a member of its prototype': bundle.replace('"event":', '"__proto__": {}, "__proto__": {}, "event":'),
      'a number that others read otherwise': bundle.replace(
        '"amount": 100',
        '"amount": 100.00000000000000001',
      ),
    };
    for (const [what, text] of Object.entries(twice)) {
      expect([what, text]).not.toEqual([what, bundle]);
      expect([what, await verify(text)]).toEqual([
        what,
        { code: 2, out: '', err: expect.stringMatching(/twice|is not written as/) },
      ]);
    }
  });

  it('are refused where they have a member that no proof has', async () => {
    const event = JSON.stringify((JSON.parse(bundle) as { event: object }).event);
    const decoys: Record<string, string> = {
      'another event': bundle.replace('"event":', `"Event": ${event}, "event":`),
      'a note': bundle.replace('"event":', '"verified": true, "event":'),
      'a prototype': bundle.replace('"event":', `"__proto__": {"event": ${event}}, "event":`),
      'a prototype of the event': bundle.replace('"event": {', '"event": {"__proto__": {"action": "x"},'),
      'all in a prototype': `{"__proto__": ${bundle}}`,
    };
    for (const [what, text] of Object.entries(decoys)) {
      expect([what, text]).not.toEqual([what, bundle]);
      expect([what, await verify(text)]).toMatchObject([
        what,
        { code: 1, out: expect.stringContaining('BROKEN') },
      ]);
    }
    const inherited: unknown = Object.create(JSON.parse(bundle) as object);
    expect(checkProof(inherited, [parseVerifierKey(keys.verifierKey)]).ok).toBe(false);
  });

  it('are told from others by whoever checks them in code', () => {
    const verifiers = [parseVerifierKey(keys.verifierKey)];
    expect(checkProof(parseStrictJson(bundle), verifiers)).toMatchObject({ ok: true });
    expect(() => parseStrictJson(bundle.replace('"event":', '"event": {}, "event":'))).toThrow(
      LedgerFormatError,
    );
  });

  it('are refused where they are nested without an end, in time that grows with their length', async () => {
    for (const depth of [100, 100_000]) {
      const text = `{"event":${'['.repeat(depth)}${']'.repeat(depth)}}`;
      expect(await verify(text)).toMatchObject({ code: 2, err: expect.stringContaining('nested deeper') });
    }
    expect(await verify('{"event":')).toMatchObject({ code: 2, err: expect.stringContaining('no JSON') });
  });

  it('are refused among the checkpoints that were kept elsewhere', async () => {
    const line = JSON.stringify({ origin: 'audit.example', treeSize: 1, rootHash: 'x', note });
    const forged = line.replace('"note":', '"note":"another","note":');
    expect(
      await cli('verify', '--checkpoint', file(`${line}\n${forged}\n`), '--database-url', 'sqlite:none'),
    ).toEqual({
      code: 2,
      out: '',
      err: expect.stringMatching(/Line 2 of .* It has "note" twice/),
    });
  });
});
