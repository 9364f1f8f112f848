// Whoever may write into the journal's directory puts a link there: what the library does to a file of its journal must
// not be done to any other file of the application.
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { protection } from 'nest-audit-trail/protection';
import { crash, segmentsOf } from '../../support/crashed-journal.js';
import { eventually } from '../../support/eventually.js';
import { removable } from '../../support/removable-database.js';
import type { RemovableDatabase } from '../../support/removable-database.js';
import { createDatabase } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

const SECRET = 'a file of the application';

describe('a link in the directory of the journal', () => {
  let database: TestDatabase;
  let store: RemovableDatabase;
  let victim: string;
  let logged: string[];
  const apps: INestApplicationContext[] = [];

  beforeEach(async () => {
    database = await createDatabase('sqlite');
    store = await removable(database, true);
    victim = `${database.journal}-victim`;
    logged = [];
    await writeFile(victim, SECRET);
    await utimes(victim, 1, 1);
    await mkdir(database.journal, { mode: 0o700 });
  });

  afterEach(async () => {
    await stop();
    await store.release();
    await database.drop();
    for (const path of [victim, `${database.journal}-real`, left()])
      await rm(path, { recursive: true, force: true });
  });

  const left = () => `${database.journal}-left`;
  const inJournal = (name: string) => join(database.journal, name);

  async function start(
    directory = database.journal,
    more: Partial<AuditModuleOptions> = {},
  ): Promise<AuditService> {
    const options: AuditModuleOptions = {
      database: store.options,
      delivery: { directory, shutdownTimeoutMs: 1_000 },
      features: [
        protection({
          masterKey: randomBytes(32).toString('hex'),
          subject: ({ userId }) => userId,
          fields: ['details.email'],
        }),
      ],
      ...more,
    };
    @Module({ imports: [AuditModule.forRoot(options)] })
    class WritingModule {}
    const keep = (message: unknown) => void logged.push(String(message));
    const app = await NestFactory.createApplicationContext(WritingModule, {
      logger: { log: keep, warn: keep, error: keep },
      abortOnError: false,
    });
    apps.push(app);
    return app.get(AuditService);
  }

  async function stop(): Promise<void> {
    for (const app of apps.splice(0)) await app.close();
  }

  async function record(audit: AuditService): Promise<void> {
    await audit.record({ action: 'thing.create', userId: 'ann', details: { email: 'ann@example.com' } });
  }

  /** Nobody has read it into anything, written to it, or touched it. */
  async function expectUntouched(): Promise<void> {
    expect(await readFile(victim, 'utf8')).toBe(SECRET);
    const { mtimeMs, size } = await stat(victim);
    expect([mtimeMs, size]).toEqual([1_000, SECRET.length]);
  }

  const LINKS: readonly [what: string, link: (from: string, to: string) => Promise<void>][] = [
    ['a symbolic link', (from, to) => symlink(to, from)],
    ['a hard link', (from, to) => link(to, from)],
  ];

  describe.each(LINKS)('%s', (_what, make) => {
    it('by the name of a key zeroes no file, and is gone', async () => {
      const name = `transit-${randomUUID()}.key`;
      await make(inJournal(name), victim);
      await make(inJournal(`transit-${randomUUID()}.key.new`), victim);
      const audit = await start();
      await record(audit);
      await audit.flush();
      await eventually(() => expect(readdirSync(database.journal)).not.toContain(name));
      await stop();
      await expectUntouched();
      expect(readdirSync(database.journal)).toEqual(['owner.1']);
    });

    it('in the place of a key that is in use is replaced', async () => {
      const audit = await start();
      await store.remove();
      await record(audit);
      const keyOf = () => readdirSync(database.journal).find((name) => name.endsWith('.key'));
      await eventually(() => expect(keyOf()).toBeDefined());
      const name = keyOf()!;
      await unlink(inJournal(name));
      await make(inJournal(name), victim);
      await eventually(async () => expect((await lstat(inJournal(name))).isFile()).toBe(true));
      await eventually(async () => expect((await lstat(inJournal(name))).nlink).toBe(1));
      expect(JSON.parse(await readFile(inJournal(name), 'utf8'))).toMatchObject({ format: 1 });
      await store.release();
      await eventually(() => audit.flush());
      await stop();
      await expectUntouched();
    });

    it('in the place of the owner is not written through', async () => {
      const audit = await start();
      await record(audit);
      await unlink(inJournal('owner.1'));
      await make(inJournal('owner.1'), victim);
      await eventually(() => expect(audit.status().journalError).toEqual(expect.any(String)));
      await stop();
      await expectUntouched();
    });

    it('by the name of an owner before is not written through, and keeps nobody from starting', async () => {
      await make(inJournal('owner.5'), victim);
      const audit = await start();
      await record(audit);
      await audit.flush();
      await stop();
      await expectUntouched();
      expect(readdirSync(database.journal)).toEqual(['owner.6']);
    });

    it('by the name of a file of lines is not read, and the start says which it is', async () => {
      await make(inJournal('000000000007.journal'), victim);
      await expect(start()).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTIONS',
        field: 'delivery.directory',
        message: expect.stringMatching(/000000000007\.journal (is a link|has a second name).*remove/),
      });
      await expectUntouched();
      await unlink(inJournal('000000000007.journal'));
      const audit = await start();
      await record(audit);
      await audit.flush();
    });

    it('in the place of the file that is written to is not written through', async () => {
      const audit = await start();
      await store.remove();
      await record(audit);
      const [segment] = await segmentsOf(database.journal);
      await unlink(segment!);
      await make(segment!, victim);
      await eventually(() => expect(logged.some((line) => line.includes('is written again'))).toBe(true));
      await record(audit);
      expect((await lstat(segment!)).isFile()).toBe(true);
      await store.release();
      await eventually(() => audit.flush());
      expect((await audit.find({ allTenants: true, action: 'thing.create' })).events).toHaveLength(2);
      await stop();
      await expectUntouched();
    });

    it('in the place of an old file is neither read nor written', async () => {
      const audit = await start(database.journal, {
        delivery: { directory: database.journal, segmentKilobytes: 16, shutdownTimeoutMs: 0 },
      });
      await store.remove();
      // More than memory holds of a backlog: old files are read from again.
      for (let index = 0; index < 2_500; index += 1) await audit.record({ action: 'thing.create' });
      await crash(database.journal, left());
      const segments = await segmentsOf(left());
      await rename(segments[3]!, `${victim}-moved`);
      await make(segments[3]!, victim);
      await expect(start(left())).rejects.toMatchObject({
        message: expect.stringContaining(basename(segments[3]!)),
      });
      await rm(`${victim}-moved`);
      await expectUntouched();
    });
  });

  it('to another directory may be the journal itself', async () => {
    await rm(database.journal, { recursive: true });
    await mkdir(`${database.journal}-real`, { mode: 0o700 });
    await symlink(`${database.journal}-real`, database.journal);
    const audit = await start();
    await record(audit);
    await audit.flush();
    expect(await readlink(database.journal)).toBe(`${database.journal}-real`);
    expect(logged.filter((line) => line.includes('can be written to by'))).toEqual([]);
  });

  it.each(['000000000007.journal', 'owner.7', `transit-${randomUUID()}.key`])(
    'a pipe called %s keeps nobody waiting',
    async (name) => {
      execFileSync('mkfifo', [inJournal(name)]);
      if (name.endsWith('.journal')) {
        await expect(start()).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTIONS' });
        return;
      }
      const audit = await start();
      await record(audit);
      await audit.flush();
    },
  );

  it.each(['owner.7', `transit-${randomUUID()}.key`])('a directory called %s stops nothing', async (name) => {
    await mkdir(inJournal(name));
    const audit = await start();
    await record(audit);
    await audit.flush();
    await audit.record({ action: 'thing.create' });
    await audit.flush();
    expect(audit.status()).toMatchObject({ healthy: true, pending: 0 });
  });

  it.each<[mode: number, who: string | undefined]>([
    [0o700, undefined],
    [0o755, undefined],
    [0o770, 'its group'],
    [0o777, 'everybody'],
    [0o1777, 'everybody'],
  ])('a directory of mode %o: the start warns of who else may write there', async (mode, who) => {
    await chmod(database.journal, mode);
    await start();
    const warnings = logged.filter((line) => line.includes('can be written to by'));
    expect(warnings).toEqual(
      who === undefined ? [] : [expect.stringContaining(`can be written to by ${who}`)],
    );
  });

  // Only root may give files to others.
  const asRoot = process.geteuid?.() === 0 ? it : it.skip;

  asRoot('a directory of another user: the start warns', async () => {
    await chown(database.journal, 12_345, 12_345);
    await start();
    expect(logged).toContainEqual(expect.stringContaining('can be written to by the user 12345'));
  });

  asRoot("another user's file is not read, and the start says whose it is", async () => {
    await writeFile(inJournal('000000000007.journal'), '');
    await chown(inJournal('000000000007.journal'), 12_345, 12_345);
    await expect(start()).rejects.toMatchObject({
      message: expect.stringMatching(/000000000007\.journal belongs to another user \(12345\).*chown/),
    });
  });
});
