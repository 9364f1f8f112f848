// The command line nest-audit: what it prints, and what it ends with.
import 'reflect-metadata';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditLogEvent, VerifyResult } from 'nest-audit-trail';
import { run } from '../../src/cli/program.js';
import { createEventId } from '../../src/event/event-id.js';
import {
  checkProof,
  CompactRange,
  entriesPath,
  formatCheckpoint,
  generateKeys,
  leafHash,
  openNote,
  parseCheckpoint,
  parseSignerKey,
  parseTlogProof,
  parseVerifierKey,
  signNote,
  tilePath,
  verifyInclusion,
} from '../../src/ledger/index.js';
import type { AuditProof } from '../../src/ledger/index.js';
import { RawTables, startLedgerApp } from '../support/ledger-app.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

const keys = generateKeys('audit.example');
const EVENTS = 260;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await run(args, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

function urlOf({ options }: TestDatabase): string {
  if (options.type === 'better-sqlite3') return `sqlite:${options.database}`;
  const { username, password, host, port, database } = options as unknown as Record<
    string,
    string | number | undefined
  >;
  const user = password ? `${username}:${password}` : username;
  return `${options.type === 'postgres' ? 'postgres' : 'mysql'}://${user}@${host}:${port}/${database}`;
}

describeEachDatabase('nest-audit', (create, name) => {
  let database: TestDatabase;
  let url: string;
  let events: AuditLogEvent[];

  beforeAll(async () => {
    database = await create();
    url = urlOf(database);
    const app = await startLedgerApp(database, { ledger: { signingKey: keys.signerKey } });
    events = await Promise.all(
      Array.from({ length: EVENTS }, (_, index) =>
        app.audit.record({ action: 'thing.create', details: { index } }),
      ),
    );
    await app.close();
  });

  const inFolder = (file: string) => join(folder, `${name}-${file}`);

  it('verifies', async () => {
    const sound = await cli('verify', '--database-url', url, '--key', keys.verifierKey, '--json');
    expect(sound).toMatchObject({ code: 0, err: '' });
    const result = JSON.parse(sound.out) as VerifyResult;
    expect(result).toMatchObject({ ok: true, treeSize: EVENTS, events: EVENTS, problems: [] });
    const keyFile = inFolder('keys');
    writeFileSync(keyFile, `${generateKeys('other').verifierKey}\n${keys.verifierKey}\n`);
    expect(await cli('verify', '--database-url', url, '--key', keyFile)).toEqual({
      code: 0,
      out: 'Sound: 260 events are what was sealed, in a log of 260 leaves; 1 checkpoint fits.\n',
      err: '',
    });
    const range = await cli('verify', '--database-url', url, '--from', '250', '--to', '260', '--json');
    expect(JSON.parse(range.out)).toMatchObject({ ok: true, events: 10 });
    const stranger = await cli(
      'verify',
      '--database-url',
      url,
      '--key',
      generateKeys('audit.example').verifierKey,
    );
    expect(stranger).toMatchObject({ code: 1, out: expect.stringContaining('checkpoint_untrusted') });
    const unchecked = await cli('verify', '--database-url', url);
    expect(unchecked).toMatchObject({ code: 0, err: expect.stringContaining('NOT checked') });
  });

  it('prints the checkpoint, by which it later finds a rewritten log', async () => {
    const { code, out } = await cli('checkpoint', '--database-url', url);
    expect(code).toBe(0);
    const { text, verifiedBy } = openNote(out, [parseVerifierKey(keys.verifierKey)]);
    expect(verifiedBy).toHaveLength(1);
    expect(parseCheckpoint(text)).toMatchObject({ origin: 'audit.example', treeSize: EVENTS });
    const json = JSON.parse((await cli('checkpoint', '--database-url', url, '--json')).out) as {
      note: string;
    };
    expect(json.note).toBe(out);
    const [note, lines] = [inFolder('checkpoint'), inFolder('checkpoints.jsonl')];
    writeFileSync(note, out);
    writeFileSync(lines, `${JSON.stringify(json)}\n${JSON.stringify(json)}\n`);
    const args = ['verify', '--database-url', url, '--key', keys.verifierKey];
    expect(await cli(...args, '--checkpoint', note, '--checkpoint', lines)).toMatchObject({ code: 0 });

    // A line that was cut off, and what says the same twice, harm nothing; which line it was, is said.
    writeFileSync(lines, `{"origin":"audi\n${JSON.stringify(json)}\n${JSON.stringify(json).slice(0, 40)}`);
    const torn = await cli(...args, '--checkpoint', lines);
    expect(torn).toMatchObject({ code: 0, err: expect.stringContaining(`Line 1 of ${lines} is cut off`) });
    expect(torn.err).toContain('Line 3');

    const raw = await RawTables.open(database);
    const before = await raw.snapshot();
    await raw.query(`UPDATE audit_events SET action = 'thing.delete' WHERE id = '${events[7]!.id}'`);
    const broken = await cli(...args, '--json');
    expect(broken.code).toBe(1);
    expect((JSON.parse(broken.out) as VerifyResult).problems).toMatchObject([
      { code: 'event_changed', eventId: events[7]!.id, leafIndex: 7 },
    ]);
    expect((await cli(...args)).out).toContain(events[7]!.id);
    expect(await cli('prove', events[7]!.id, '--database-url', url)).toMatchObject({
      code: 1,
      out: expect.stringContaining('BROKEN'),
    });
    expect(await cli('export-tiles', inFolder('broken'), '--database-url', url)).toMatchObject({ code: 1 });
    for (const table of before.keys()) await raw.query(`DELETE FROM ${table}`);
    expect(await cli(...args, '--checkpoint', note)).toMatchObject({
      code: 1,
      out: expect.stringContaining('log_truncated'),
    });
    await raw.restore(before);
    // Also where only a part is checked, in which the checkpoint is not.
    const forged = await signNote(
      formatCheckpoint({ ...parseCheckpoint(text), rootHash: Buffer.alloc(32) }),
      [parseSignerKey(keys.signerKey)],
    );
    writeFileSync(note, forged);
    expect(await cli(...args, '--checkpoint', note, '--from', '0', '--to', '10')).toMatchObject({
      code: 1,
      out: expect.stringContaining('history_rewritten'),
    });
    await raw.query(`UPDATE audit_tiles SET hashes = 'no hashes' WHERE level = 0`);
    expect(await cli('prove', events[7]!.id, '--database-url', url)).toMatchObject({
      code: 1,
      out: expect.stringContaining('BROKEN: The audit log is not whole: tile 0 of level 0'),
    });
    await raw.restore(before);
    await raw.close();
    expect(await cli(...args)).toMatchObject({ code: 0 });
  });

  it('trusts what is not signed, or is of another name, only where that is said', async () => {
    const raw = await RawTables.open(database);
    const before = await raw.snapshot();
    const [{ note }] = (await raw.rows('audit_checkpoints', 'tree_size')) as [{ note: string }];
    const unsigned = note.slice(0, note.lastIndexOf('\n\n') + 2);
    await raw.query(`UPDATE audit_checkpoints SET note = '${unsigned}'`);
    const args = ['verify', '--database-url', url, '--key', keys.verifierKey];
    expect(await cli(...args)).toMatchObject({ code: 1, out: expect.stringContaining('is not signed') });
    expect(await cli(...args, '--unsigned-until', '259')).toMatchObject({ code: 1 });
    expect(await cli(...args, '--unsigned-until', '260')).toMatchObject({
      code: 0,
      out: expect.stringContaining('1 checkpoint is not signed.'),
    });
    await raw.restore(before);
    await raw.close();
    expect(await cli(...args, '--origin', 'audit.example')).toMatchObject({ code: 0 });
    expect(await cli(...args, '--origin', 'other.example')).toMatchObject({
      code: 1,
      out: expect.stringContaining('of the log audit.example, not of other.example'),
    });
  });

  it('proves an event, to be checked elsewhere', async () => {
    const { id } = events[259]!;
    const bundle = inFolder('bundle.json');
    const made = await cli('prove', id, '--database-url', url, '--out', bundle);
    expect(made).toMatchObject({ code: 0, out: `${bundle}: leaf 259 of 260\n` });
    const proof = JSON.parse(readFileSync(bundle, 'utf8')) as AuditProof;
    expect(checkProof(proof, [parseVerifierKey(keys.verifierKey)])).toMatchObject({ ok: true });
    expect(await cli('verify-proof', bundle, '--key', keys.verifierKey)).toEqual({
      code: 0,
      out: `Sound: event ${id} is leaf 259 of the 260 that audit.example has signed.\n`,
      err: '',
    });
    const json = await cli('verify-proof', bundle, '--key', keys.verifierKey, '--json');
    expect(JSON.parse(json.out)).toEqual({
      ok: true,
      eventId: id,
      leafIndex: 259,
      treeSize: 260,
      origin: 'audit.example',
    });
    const { out } = await cli('prove', id, '--database-url', url, '--tlog-proof');
    expect(parseTlogProof(out)).toMatchObject({ leafIndex: 259, checkpoint: proof.checkpoint });
    writeFileSync(bundle, JSON.stringify({ ...proof, event: { ...proof.event, userId: 'eve' } }));
    expect(await cli('verify-proof', bundle, '--key', keys.verifierKey)).toMatchObject({ code: 1 });
    expect(await cli('prove', createEventId(0), '--database-url', url)).toMatchObject({
      code: 2,
      err: expect.stringContaining('There is no event'),
    });
  });

  it('exports the log in the layout of C2SP tlog-tiles', async () => {
    const directory = inFolder('tiles');
    expect(await cli('export-tiles', directory, '--database-url', url)).toMatchObject({ code: 0 });
    const read = (path: string) => readFileSync(join(directory, path));
    const { text } = openNote(read('checkpoint').toString(), []);
    const { rootHash, treeSize } = parseCheckpoint(text);
    const tree = new CompactRange();
    const tiles = Buffer.concat([read(tilePath(0, 0)), read(tilePath(0, 1, 4))]);
    let index = 0;
    for (const entries of [read(entriesPath(0)), read(entriesPath(1, 4))]) {
      for (let at = 0; at < entries.length; index += 1) {
        const end = at + 2 + entries.readUInt16BE(at);
        const hash = leafHash(entries.subarray(at + 2, end));
        expect(hash.equals(tiles.subarray(32 * index, 32 * (index + 1)))).toBe(true);
        expect(JSON.parse(entries.subarray(at + 2, end).toString())).toMatchObject({
          details: { index: expect.any(Number) },
        });
        tree.append(hash);
        at = end;
      }
    }
    expect(index).toBe(treeSize);
    expect(tree.root().equals(rootHash)).toBe(true);
    const root = read(tilePath(1, 0, 1));
    expect(verifyInclusion({ leafIndex: 0, treeSize: 1, leafHash: root, proof: [], root })).toBe(true);
    const bare = inFolder('bare');
    expect(await cli('export-tiles', bare, '--database-url', url, '--no-entries')).toMatchObject({ code: 0 });
    expect(readdirSync(join(bare, 'tile')).sort()).toEqual(['0', '1']);
  });

  it('ends with 0, 1 and 2 as a program', () => {
    const program = (...args: string[]) =>
      spawnSync(process.execPath, ['dist/esm/cli/main.js', ...args], {
        encoding: 'utf8',
        env: { ...process.env, AUDIT_DATABASE_URL: url },
      });
    expect(program('verify', '--key', keys.verifierKey)).toMatchObject({ status: 0, stderr: '' });
    expect(program('verify', '--key', generateKeys('audit.example').verifierKey)).toMatchObject({
      status: 1,
    });
    expect(program('verify', '--key', 'none')).toMatchObject({ status: 2, stdout: '' });
  });
});

describe('nest-audit', () => {
  it('ends with 2 where nobody reads what it says', async () => {
    const program = spawn(process.execPath, ['dist/esm/cli/main.js', '--help'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    program.stdout.destroy();
    expect(await once(program, 'exit')).toEqual([2, null]);
  });

  it('makes keys', async () => {
    const { code, out } = await cli('keygen', '--name', 'audit.example');
    expect(code).toBe(0);
    const [signer, verifier, end] = out.split('\n');
    expect(signer).toMatch(/^PRIVATE\+KEY\+audit\.example\+/);
    expect(parseVerifierKey(verifier!).name).toBe('audit.example');
    expect(end).toBe('');
    const file = join(folder, 'signer.key');
    const made = await cli('keygen', '--name', 'audit.example', '--out', file, '--json');
    expect(Object.keys(JSON.parse(made.out) as object)).toEqual(['verifierKey']);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await cli('keygen', '--name', 'audit.example', '--out', file)).toMatchObject({
      code: 2,
      err: expect.stringContaining('exists already'),
    });
    expect(await cli('keygen', '--name', 'two words')).toMatchObject({ code: 2, out: '' });
  });

  it('says what it could not check, and ends with 2', async () => {
    const empty = join(folder, 'empty.sqlite');
    writeFileSync(empty, '');
    const nothing = join(folder, 'nothing');
    writeFileSync(nothing, 'null');
    const blank = join(folder, 'blank');
    writeFileSync(blank, '');
    const keyless = join(folder, 'keyless');
    writeFileSync(keyless, ' \n\n');
    const wrong = join(folder, 'wrong');
    writeFileSync(wrong, '{"origin":"audit.example"}\n');
    const garbage = join(folder, 'garbage');
    writeFileSync(garbage, '{"a":');
    const sqlite = ['--database-url', `sqlite:${empty}`];
    const key = ['--key', keys.verifierKey];
    for (const [args, said] of [
      [['verify'], 'Which database?'],
      [['verify', '--database-url', 'oracle://user:secret@host'], 'begins with "oracle:"'],
      [['verify', '--database-url', `sqlite:${folder}/none.sqlite`], 'There is no SQLite file'],
      [['verify', ...sqlite], "can't be read"],
      [['verify', '--database-url', 'mysql://root:secret@127.0.0.1:9/audit'], "can't be read"],
      [['verify', ...sqlite, '--key', 'nonsense'], 'The verifier key'],
      [['verify', ...sqlite, '--key', `${folder}/none.key`], 'names no file that exists'],
      [['verify', ...sqlite, '--from', 'x'], 'Write a whole number'],
      [['verify', ...sqlite, '--key', blank], 'has no verifier key in it'],
      [['verify', ...sqlite, '--key', keyless], 'has no verifier key in it'],
      [['verify', ...sqlite, '--key', folder], "can't be read"],
      [['verify-proof', nothing, '--key', keyless], 'has no verifier key in it'],
      [['verify', ...sqlite, '--checkpoint', garbage], 'is no checkpoint'],
      [['verify', ...sqlite, '--checkpoint', wrong], 'Line 1 of'],
      [['verify', ...sqlite, '--checkpoint', folder], "can't be read"],
      [['verify', ...sqlite, '--checkpoint', `${folder}/none`], "can't be read"],
      [['verify-proof', garbage], 'Whose signature'],
      [['verify-proof', garbage, ...key], 'is no JSON'],
      [['verify-proof', `${folder}/none`, ...key], "can't be read"],
      [['prove', 'no-id', ...sqlite], "is no event's id"],
      [['unknown'], 'unknown command'],
      [['verify', '--unknown'], 'unknown option'],
    ] as [string[], string][]) {
      const { code, out, err } = await cli(...args);
      expect({ args, code, out }).toEqual({ args, code: 2, out: '' });
      expect(err).toContain(said);
      expect(err).not.toContain('secret');
    }
  }, 60_000);

  it('refuses a bundle that is none, whatever it is', async () => {
    for (const bundle of ['null', '7', '[]', '{}', '"proof"']) {
      const file = join(folder, 'none.json');
      writeFileSync(file, bundle);
      expect(await cli('verify-proof', file, '--key', keys.verifierKey)).toMatchObject({
        code: 1,
        out: expect.stringMatching(/^BROKEN: It is no proof/),
        err: '',
      });
    }
  });

  it('explains itself', async () => {
    const { code, out } = await cli('--help');
    expect(code).toBe(0);
    for (const command of [
      'verify',
      'prove',
      'verify-proof',
      'checkpoint',
      'keygen',
      'actions',
      'export-tiles',
    ]) {
      expect(out).toContain(command);
    }
    expect(out).toContain('0 sound, 1 broken, 2 could not check');
  });
});
