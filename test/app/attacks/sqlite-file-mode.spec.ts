// Other users of the machine, who may read what the file system lets them read.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditDatabaseOptions } from 'nest-audit-trail';

const onUnix = process.platform === 'win32' ? describe.skip : describe;

onUnix('the SQLite database as other users of the machine see it', () => {
  let folder: string;
  const umask = process.umask();

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audit-mode-'));
    await chmod(folder, 0o755);
    // What most systems have.
    process.umask(0o022);
  });

  afterEach(async () => {
    process.umask(umask);
    await rm(folder, { recursive: true, force: true });
  });

  async function start(database: string, logged: string[], more: Partial<AuditDatabaseOptions> = {}) {
    const keep = (line: unknown) => void logged.push(String(line));
    @Module({
      imports: [
        AuditModule.forRoot({
          database: { type: 'better-sqlite3', database, ...more } as AuditDatabaseOptions,
          delivery: { directory: join(folder, 'journal'), drainOnSignals: false, shutdownTimeoutMs: 1_000 },
        }),
      ],
    })
    class StoredModule {}
    return NestFactory.createApplicationContext(StoredModule, {
      logger: { log: () => undefined, warn: keep, error: keep, fatal: keep },
      abortOnError: false,
    });
  }

  /** Starts an application, records an event, and tells what its log says and the modes of the files while it runs. */
  async function run(database: string) {
    const logged: string[] = [];
    const app = await start(database, logged);
    const audit = app.get(AuditService);
    const { id } = await audit.record({ action: 'thing.create' });
    await audit.flush();
    expect(await audit.findById(id, { allTenants: true })).toMatchObject({ id });
    const modes = await modesOf(database);
    await app.close();
    return { logged, modes };
  }

  async function modesOf(database: string): Promise<Record<string, string>> {
    const where = dirname(database);
    if (!existsSync(where)) return {};
    const own = (await readdir(where)).filter((name) => name.startsWith(basename(database)));
    const modes = own.map(async (name) => {
      const { mode } = await stat(join(where, name));
      return [name.slice(basename(database).length), (mode & 0o777).toString(8)] as const;
    });
    return Object.fromEntries(await Promise.all(modes));
  }

  const PRIVATE = { '': '600', '-wal': '600', '-shm': '600' };

  it.each(['audit.sqlite', 'new/folder/audit.sqlite', ' spaced.sqlite '])(
    'has a file that they can not read: %s',
    async (name) => {
      const { modes, logged } = await run(join(folder, name).trimEnd());
      expect(modes).toEqual(PRIVATE);
      expect(logged).toEqual([]);
    },
  );

  it('has a file that they can not read where a link leads to no file yet', async () => {
    await symlink(join(folder, 'real.sqlite'), join(folder, 'audit.sqlite'));
    await run(join(folder, 'audit.sqlite'));
    expect(await modesOf(join(folder, 'real.sqlite'))).toMatchObject({ '': '600' });
  });

  it('keeps the mode of a file that is there, and warns where others can read it', async () => {
    const file = join(folder, 'audit.sqlite');
    await writeFile(file, '', { mode: 0o644 });
    const open = await run(file);
    expect(open.modes['']).toBe('644');
    expect(open.logged).toEqual([expect.stringContaining(`chmod 600 ${file}`)]);

    // A group may be meant.
    await chmod(file, 0o640);
    const shared = await run(file);
    expect(shared.modes['']).toBe('640');
    expect(shared.logged).toEqual([]);
  });

  it('does not touch what is no file', async () => {
    const before = await readdir('.');
    for (const name of [':memory:', ' :memory: ']) await run(name);
    expect(await readdir('.')).toEqual(before);
  });

  it('creates no file where the options say that there must be one', async () => {
    const file = join(folder, 'missing.sqlite');
    const app = await start(file, [], { fileMustExist: true });
    expect(existsSync(file)).toBe(false);
    await app.close();
  });
});
