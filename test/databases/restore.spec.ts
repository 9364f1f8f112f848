// A log that was dumped and restored by the database's own tools is the same log.
import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { generateKeys } from '../../src/ledger/index.js';
import { AS_A_TOOL, startLedgerApp } from '../support/ledger-app.js';
import { openStore } from '../support/audit-store.js';
import { createDatabase, describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase, TestDatabaseName } from '../support/harness/databases.js';
import { findFirst, findTogether } from '../support/harness/local-binary.mjs';

const keys = generateKeys('audit.example');
const EVENTS = 300;

/** Where the programs are that dump and restore; `undefined` where they are not. */
function toolsOf(name: TestDatabaseName): readonly string[] | undefined {
  if (name === 'postgres') return findTogether('pg_dump', 'psql');
  const tools = [findFirst('mariadb-dump', 'mysqldump'), findFirst('mariadb', 'mysql')];
  return tools.every((tool) => tool !== undefined) ? tools : undefined;
}

function run(program: string, args: readonly string[], env: Record<string, string>, input?: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 100_000_000,
    env: { ...process.env, ...env },
    ...(input !== undefined && { input }),
  });
  if (error) throw error;
  expect({ program, status, stderr: status === 0 ? '' : stderr }).toEqual({ program, status: 0, stderr: '' });
  return stdout;
}

function serverOf({ options }: TestDatabase): Record<string, string> {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, String(value)]));
}

function dumpAndRestore(from: TestDatabase, to: TestDatabase, [dump, client]: readonly string[]): void {
  const { host, port, socketPath, username, password = '', database } = serverOf(from);
  const target = serverOf(to)['database']!;
  if (from.name === 'postgres') {
    const [env, server] = [{ PGPASSWORD: password }, ['-h', host!, '-p', port!, '-U', username!]];
    const sql = run(dump!, [...server, '--no-owner', database!], env);
    run(client!, [...server, '-q', '-v', 'ON_ERROR_STOP=1', '-d', target], env, sql);
    return;
  }
  const env: Record<string, string> = password === '' ? {} : { MYSQL_PWD: password };
  const address = socketPath ? [`--socket=${socketPath}`] : [`--host=${host}`, `--port=${port}`];
  const server = ['--no-defaults', ...address, `--user=${username}`];
  // The dump passes through a text here, and ids are bytes.
  const sql = run(dump!, [...server, '--single-transaction', '--triggers', '--hex-blob', database!], env);
  run(client!, [...server, target], env, sql);
}

describeEachDatabase('a log', (create, name) => {
  const tools = name === 'sqlite' ? [] : toolsOf(name);

  async function expectSame(restore: (from: TestDatabase, to: TestDatabase) => Promise<void> | void) {
    const database = await create();
    const writer = await startLedgerApp(database, {
      ledger: { signingKey: keys.signerKey },
      delivery: AS_A_TOOL,
    });
    await Promise.all(
      Array.from({ length: EVENTS }, (_, index) =>
        writer.audit.record({ action: 'thing.create', details: { text: `Grüße '"\\\n\t${index}` } }),
      ),
    );
    await writer.audit.flush();
    const { note } = await writer.audit.checkpoint();
    await writer.close();
    const copy = await createDatabase(name, { isEmpty: true });
    await restore(database, copy);

    const app = await startLedgerApp(copy, { ledger: { signingKey: keys.signerKey } });
    const options = { keys: [keys.verifierKey], checkpoints: [note] };
    expect(await app.audit.verify(options)).toMatchObject({ ok: true, events: EVENTS, problems: [] });
    await app.audit.record({ action: 'thing.update' });
    await app.audit.flush();
    expect(await app.audit.checkpoint()).toMatchObject({ treeSize: EVENTS + 1 });
    expect(await app.audit.verify(options)).toMatchObject({ ok: true, events: EVENTS + 1 });
    await app.close();
    // What protects it has come along.
    const { connection, close } = await openStore(copy.options);
    await expect(connection.query(`DELETE FROM audit_leaves`)).rejects.toThrow('is append-only');
    await close();
    await copy.drop();
  }

  if (name === 'sqlite') {
    it('is the same where its file was copied', () =>
      expectSame(({ options: from }, { options: to }) =>
        copyFileSync(String(from.database), String(to.database)),
      ));

    it('is the same where the database has written another file', () =>
      expectSame(async ({ options: from }, { options: to }) => {
        const { connection, close } = await openStore(from);
        await connection.query(`VACUUM INTO '${String(to.database)}'`);
        await close();
      }));
    return;
  }

  const title = 'is the same where it was dumped and restored';
  if (!tools && process.env['AUDIT_TEST_REQUIRE_DATABASES'] !== '1') {
    it.skip(`${title}, skipped: the programs that dump and restore are missing`, () => undefined);
    return;
  }
  it(
    title,
    async () => {
      if (!tools)
        throw new Error(
          'AUDIT_TEST_REQUIRE_DATABASES=1 requires the programs that dump and restore, such as mariadb-dump and pg_dump.',
        );
      await expectSame((from, to) => dumpAndRestore(from, to, tools));
    },
    60_000,
  );
});
