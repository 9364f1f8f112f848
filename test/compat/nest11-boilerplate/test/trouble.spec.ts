// What the log says after the application was killed, and after its database was dropped.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { freshDatabase } from './database';
import { logIn, senderTo } from './running-app';
import type { Send } from './running-app';

class Served {
  readonly lines: string[] = [];
  private readonly listens: Promise<string>;
  private readonly child: ChildProcess;

  constructor(env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, ['dist/test/served.js'], {
      env: { ...process.env, ...env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.listens = new Promise((resolve, reject) => {
      this.child.once('exit', () => reject(new Error(this.lines.join('\n'))));
      for (const stream of [this.child.stdout!, this.child.stderr!])
        createInterface(stream).on('line', (line) => {
          this.lines.push(line);
          const [, url] = /^listening on (.*)$/.exec(line) ?? [];
          if (url) resolve(url);
        });
    });
  }

  readonly send: Send = async (...request) =>
    senderTo((await this.listens).replace('[::1]', '127.0.0.1'))(...request);

  async home(): Promise<number> {
    return (await this.send('GET', '/')).status;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

describe('the log of the application', () => {
  let env: { DATABASE_URL: string; AUDIT_FOLDER: string };
  const all: Served[] = [];

  beforeAll(async () => {
    const AUDIT_FOLDER = mkdtempSync(join(tmpdir(), 'boilerplate-'));
    env = { DATABASE_URL: await freshDatabase(), AUDIT_FOLDER };
  });

  afterAll(() => Promise.all(all.map((served) => served.kill())));

  const start = () => {
    const served = new Served(env);
    all.push(served);
    return served;
  };

  async function query<Row>(sql: string): Promise<Row[]> {
    const client = new Client({ connectionString: env.DATABASE_URL });
    await client.connect();
    const { rows } = await client.query(sql).finally(() => client.end());
    return rows as Row[];
  }

  async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
    while (!(await isSo())) await delay(100);
  }

  const stored = async () =>
    Number((await query<{ count: string }>('SELECT count(*) FROM audit_events'))[0]!.count);

  it('warns of nothing after a kill, which loses no event', async () => {
    const killed = start();
    // What is known of a user is looked up when an event of theirs is scored, also at the next start.
    const token = await logIn(killed.send, 'ann@example.com');
    for (let sent = 0; sent < 3; sent += 1)
      expect((await killed.send('GET', '/api/v1/auth/me', { token })).status).toBe(200);
    await killed.kill();
    const next = start();
    expect(await next.home()).toBe(200);
    await until(async () => (await stored()) >= 6);
    expect(await stored()).toBe(6);
    expect(next.lines.filter((line) => /\b(WARN|ERROR)\b/.test(line))).toEqual([]);
    await next.kill();
  });

  it('says so when the tables are dropped under it, and the events after that are stored', async () => {
    const served = start();
    expect(await served.home()).toBe(200);
    await until(async () => (await stored()) >= 7);
    await query('DROP SCHEMA public CASCADE');
    await query('CREATE SCHEMA public');
    expect(await served.home()).toBe(200);
    await until(() => served.lines.some((line) => line.includes('may have removed the evidence')));
    await until(() =>
      stored().then(
        (count) => count > 0,
        () => false,
      ),
    );
    await until(async () => {
      const rows = await query("SELECT 1 FROM audit_events WHERE action = 'audit.log-replaced'");
      return rows.length === 1;
    });
  });
});
