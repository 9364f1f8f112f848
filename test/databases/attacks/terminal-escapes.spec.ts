// Texts of the database, of files and of bundles that hold what a terminal obeys: none of it reaches the terminal of who runs nest-audit.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../src/cli/program.js';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys } from '../../../src/ledger/keys.js';
import { eventually } from '../../support/eventually.js';
import { RawTables, startLedgerApp } from '../../support/ledger-app.js';
import { createDatabase, describeEachDatabase } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

const keys = generateKeys('audit.example');
/** Erases the line, moves the cursor up, hides what follows, turns the direction of writing, shows nothing; and ends a line. */
const ESCAPES = [
  '\u001b[2K\u001b[1A',
  '\u001b]0;title\u0007',
  '\u001b[8m',
  '\r',
  '\n',
  '\b\b',
  '\u0000',
  '\u007f',
  '\u009b2K',
  '\u0085',
  '\u061c',
  '\u200b',
  '\u200d',
  '\u200e',
  '\u2028',
  '\u202e',
  '\u2060',
  '\u2066',
  '\ufeff',
  '\u{e0041}',
];
// What a line of output may have besides its end.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const HIDING = `\u001b[1A\u001b[2K${ESCAPES.join('')}Sound: 1 events are what was sealed`;

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await run(args, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

function expectSafe({ out, err }: { out: string; err: string }): void {
  for (const line of `${out}\n${err}`.split('\n')) {
    expect(line).not.toMatch(UNSAFE);
    if (line !== '') expect(line).not.toMatch(/^\s*Sound: 1 events/);
  }
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-escapes-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function urlOf({ options }: TestDatabase): string {
  const { type, host, port, username, password, database } = options as unknown as Record<string, string>;
  if (type === 'better-sqlite3') return `sqlite:${database}`;
  return `${type}://${username}${password ? `:${password}` : ''}@${host}:${port}/${database}`;
}

describeEachDatabase('terminal escapes in what is stored', (create, name) => {
  it('can not hide that the log is broken', async () => {
    const database = await create();
    const app = await startLedgerApp(database, { ledger: { signingKey: keys.signerKey } });
    const { id } = await app.audit.record({ action: 'invoice.pay', tenantId: 'acme' });
    await eventually(() => app.audit.flush());
    await app.audit.checkpoint();
    const raw = await RawTables.open(database);
    try {
      // PostgreSQL has no NUL in a text.
      const hiding = name === 'postgres' ? HIDING.replaceAll('\0', '') : HIDING;
      const [event] = await raw.rows('audit_events', 'id');
      const metadata = {
        ...(JSON.parse(String(event!['metadata'])) as object),
        source: hiding.slice(0, 36),
        sequence: 7,
      };
      // Its columns hold ids, which have no text of their own; only SQLite may be made to take one.
      const odd = name === 'sqlite' ? Buffer.from(hiding) : createEventId(0);
      const forged = {
        ...event,
        id: '01900000-0000-7000-8000-000000000000',
        action: hiding,
        metadata: JSON.stringify(metadata),
      };
      await raw.insert('audit_events', [{ ...forged, source: odd, sequence: 7 }]);
      const [leaf] = await raw.rows('audit_leaves', 'leaf_index');
      await raw.insert('audit_leaves', [{ ...leaf, leaf_index: 1, event_id: odd }]);
      const [checkpoint] = await raw.rows('audit_checkpoints', 'tree_size');
      await raw.insert('audit_checkpoints', [
        {
          ...checkpoint,
          tree_size: 2,
          previous_size: 1,
          note: `${hiding}\n2\n${String(checkpoint!['root_hash'])}\n\n— ${hiding} AAAA\n`,
        },
      ]);
      const from = ['--database-url', urlOf(database)];
      for (const more of [[], ['--json']]) {
        const result = await cli('verify', ...from, ...more, '--key', keys.verifierKey);
        expect(result.code).toBe(1);
        expectSafe(result);
        if (more.length > 0) expect(JSON.parse(result.out)).toMatchObject({ ok: false });
      }
      for (const command of [
        ['checkpoint'],
        ['checkpoint', '--json'],
        ['prove', id],
        ['prove', forged.id],
        ['prove', hiding],
        ['export-tiles', join(folder, 'tiles')],
      ]) {
        expectSafe(await cli(...command, ...from));
      }
    } finally {
      await raw.close();
      await app.close();
      await database.drop();
    }
  });
});

describe('terminal escapes in files and arguments', () => {
  it('are escaped, in a bundle, in keys, in the names of files and of options', async () => {
    const database = await createDatabase('sqlite');
    const app = await startLedgerApp(database, { ledger: { signingKey: keys.signerKey } });
    let bundle: Record<string, unknown>;
    try {
      const { id } = await app.audit.record({ action: 'invoice.pay', details: { text: 'x\u009b2K\u202e' } });
      await eventually(() => app.audit.flush());
      bundle = (await app.audit.prove(id)) as unknown as Record<string, unknown>;
    } finally {
      await app.close();
      await database.drop();
    }
    const write = (name: string, text: string) => {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    };
    const sound = await cli(
      'verify-proof',
      write('sound.json', JSON.stringify(bundle)),
      '--key',
      keys.verifierKey,
    );
    expect(sound).toMatchObject({ code: 0 });
    const forged = write(
      'forged.json',
      JSON.stringify({ ...bundle, event: { id: HIDING }, leafIndex: HIDING, checkpoint: HIDING }),
    );
    for (const args of [
      ['verify-proof', forged, '--key', keys.verifierKey],
      ['verify-proof', forged, '--key', keys.verifierKey, '--json'],
      ['verify-proof', forged, '--key', HIDING],
      ['verify-proof', join(folder, HIDING.replaceAll('\0', '')), '--key', keys.verifierKey],
      ['verify', '--database-url', HIDING],
      ['verify', `--${HIDING}`],
      ['verify', '--from', HIDING],
      [HIDING],
      ['keygen', '--name', HIDING],
    ]) {
      const result = await cli(...args);
      expect(result.code).not.toBe(0);
      expect(result.out + result.err).not.toBe('');
      expectSafe(result);
    }
  });

  it('a password in a URL is not printed where the command fails', async () => {
    for (const args of [
      ['verify', '--databse-url=mysql://root:hunter2@db.example/audit'],
      ['verify', 'mysql://root:hunter2@db.example/audit'],
      ['verify', '--database-url', 'mysql://root:hunter2@127.0.0.1:1/audit'],
      ['verify', '--database-url', 'nosql://root:hunter2@db.example/audit'],
    ]) {
      const { out, err } = await cli(...args);
      expect(out + err).not.toContain('hunter2');
    }
  });
});
