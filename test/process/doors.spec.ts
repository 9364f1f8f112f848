// Processes with each of the doors beside Nest on Express, which the fault suite and process.spec.ts have: killed, ended, and without a database.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { AuditDatabaseOptions } from 'nest-audit-trail';
import { send } from '../doors/send.js';
import { openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { createDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

const POST = { method: 'POST', headers: { connection: 'close' } } as const;

interface Served {
  readonly url: string;
  readonly child: ChildProcess;
  /** Resolves when the handler runs that never answers. */
  readonly runs: Promise<unknown>;
}

async function serve(door: string, database: AuditDatabaseOptions, directory: string): Promise<Served> {
  const options = JSON.stringify({ database, delivery: { directory } });
  const child = spawn(process.execPath, ['test/process/app/served-door.mjs', door, options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let noteRunning!: () => void;
  const runs = new Promise<void>((resolve) => (noteRunning = resolve));
  const port = await new Promise<string>((resolve, reject) => {
    child.once('exit', () => reject(new Error('The process has ended before it listened.')));
    createInterface(child.stdout!).on('line', (line) => {
      if (line === 'running') noteRunning();
      const [, found] = /^listening (\d+)$/.exec(line) ?? [];
      if (found) resolve(found);
    });
  });
  return { url: `http://127.0.0.1:${port}`, child, runs };
}

async function end({ child }: Served, signal: NodeJS.Signals): Promise<unknown> {
  const ended = once(child, 'exit');
  child.kill(signal);
  const [code, by] = (await ended) as [number | null, NodeJS.Signals | null];
  return by ?? code;
}

describe.each(['express5', 'express4', 'fastify', 'nestFastify'])('a process with the door of %s', (door) => {
  /** Nest's of a POST. */
  const status = door === 'nestFastify' ? 201 : 200;
  let database: TestDatabase;
  let store: AuditStore;
  beforeEach(async () => {
    database = await createDatabase('sqlite');
    store = await openStore(database.options);
  });
  afterEach(async () => {
    await store.close();
    await database.drop();
  });
  const told = async () =>
    (await store.events.find({}, { limit: 100, order: 'oldest' })).map(({ metadata, outcome }) => [
      metadata['path'],
      outcome,
      metadata['interrupted'],
    ]);

  it('loses nothing that was answered, and tells of what it was killed in', async () => {
    const killed = await serve(door, database.options, database.journal);
    expect((await send(killed.url, { ...POST, path: '/things' })).status).toBe(status);
    void send(killed.url, { ...POST, path: '/hangs' });
    await killed.runs;
    expect(await end(killed, 'SIGKILL')).toBe('SIGKILL');
    const next = await serve(door, database.options, database.journal);
    await vi.waitUntil(async () => (await told()).length === 2, { timeout: 10_000 });
    expect(await told()).toEqual([
      ['/things', 'success', undefined],
      ['/hangs', 'partial', true],
    ]);
    await end(next, 'SIGKILL');
  });

  it('stores what is left when it is ended by SIGTERM', async () => {
    const ended = await serve(door, database.options, database.journal);
    expect((await send(ended.url, { ...POST, path: '/things' })).status).toBe(status);
    expect(await end(ended, 'SIGTERM')).toBe('SIGTERM');
    expect(await told()).toEqual([['/things', 'success', undefined]]);
  });

  it('answers while there is no database, and stores it when there is one', async () => {
    const away = { type: 'mysql', host: '127.0.0.1', port: 1, database: 'audit' } as const;
    const without = await serve(door, away, database.journal);
    expect((await send(without.url, { ...POST, path: '/things' })).status).toBe(status);
    await end(without, 'SIGKILL');
    const back = await serve(door, database.options, database.journal);
    await vi.waitUntil(async () => (await told()).length === 1, { timeout: 10_000 });
    expect(await told()).toEqual([['/things', 'success', undefined]]);
    await end(back, 'SIGKILL');
  });
});
