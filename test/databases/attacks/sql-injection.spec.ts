// Texts that clients choose, on connections whose character set or mode turns an apostrophe that is escaped into one that is not.
import 'reflect-metadata';
import { Controller, Get, Module, Param, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { Audit, AuditModule, AuditQueryDto, AuditService, NoAudit } from 'nest-audit-trail';
import type { AuditDatabaseOptions, AuditModuleOptions } from 'nest-audit-trail';
import { send } from '../../support/http-client.js';
import {
  createDatabase,
  describeEachDatabase,
  missingReason,
  withoutThread,
} from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';
import { findFirst } from '../../support/harness/local-binary.mjs';
import { mysqlServer } from '../../support/harness/mysql-server.mjs';
import { openStore } from '../../support/audit-store.js';
import type { AuditStore } from '../../support/audit-store.js';
import { AS_A_TOOL } from '../../support/ledger-app.js';
import { grantUsers } from '../../support/granted-users.js';
import type { GrantedUsers } from '../../support/granted-users.js';

/**
 * Character sets that mysql2 can write and every server has. The first eight turn a harmless letter into an apostrophe or a
 * backslash; the others were tried with every letter and don't. mysql2 can't write in eucjpms, dec8 and swe7.
 */
const CHARACTER_SETS = [
  'latin1',
  'ascii',
  'binary',
  'gb2312',
  'big5',
  'sjis',
  'cp932',
  'ujis',
  'gbk',
  'euckr',
  'utf8',
];

/** Of each, some set above makes an apostrophe or a backslash. */
const DANGEROUS = ['\u0127', '\u015c', '\u00a5', '\u011a', '\u2010', '\u{1f512}'];

@NoAudit()
@Controller('trail')
class TrailController {
  constructor(private readonly audit: AuditService) {}

  @Get() find(@Query() query: AuditQueryDto) {
    return this.audit.find({ ...query, tenantId: 'acme' });
  }
}

@Audit()
@Controller('things')
class ThingsController {
  @Get(':id') read(@Param('id') id: string) {
    return { id };
  }
}

interface AttackedApp {
  readonly audit: AuditService;
  readonly port: number;
  /** The events that the tenant finds with this user. */
  find(userId: string): Promise<{ id: string; userId?: string }[]>;
  close(): Promise<void>;
}

async function start(journal: string, options: AuditModuleOptions): Promise<AttackedApp> {
  @Module({
    imports: [
      AuditModule.forRoot({
        ...options,
        delivery: { directory: journal, drainOnSignals: false, ...options.delivery },
      }),
    ],
    controllers: [TrailController, ThingsController],
  })
  class AttackedModule {}
  const app = await NestFactory.create(AttackedModule, { logger: false, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    audit: app.get(AuditService),
    port,
    async find(userId) {
      const answer = await send(port, { path: `/trail?userId=${encodeURIComponent(userId)}` });
      expect(answer.status).toBe(200);
      return (JSON.parse(answer.body) as { events: { id: string; userId?: string }[] }).events;
    },
    close: () => app.close(),
  };
}

const hexOf = (text: string) => `0x${Buffer.from(text).toString('hex')}`;

/** Texts that ask for an event of another tenant, wherever the text before `OR` ends the value. */
const questionsFor = (id: string) =>
  ['', ...DANGEROUS].flatMap((character) =>
    ['', "'"].map((quote) => `x${character}${quote} OR e.id=${hexOf(id)} #`),
  );

/** A user agent that, where its first apostrophe ends the value, puts the key of the paging cursors into the next columns. */
const KEY_THIEF = `', (SELECT value FROM audit_settings WHERE name = ${hexOf('cursor_key')}), ${hexOf('low')}, ${hexOf('security')}, ${hexOf('success')}, 0, ${hexOf('[]')}, ${hexOf('{}')}, NULL, NULL) #`;

/** No text of a client becomes SQL, and each is found again as it was. */
async function expectOnlyValues(app: AttackedApp): Promise<void> {
  const secret = await app.audit.record({ tenantId: 'umbrella', action: 'thing.hide', userId: 'eve' });
  const others = [KEY_THIEF, "O'Brien", 'back\\slash', "\\'", '…“”👍'].map((text) => text + secret.id);
  const texts = [...questionsFor(secret.id), ...others];
  for (const userId of texts) await app.audit.record({ tenantId: 'acme', action: 'thing.do', userId });
  await app.audit.flush();
  for (const userId of texts) {
    expect((await app.find(userId)).map((event) => event.userId)).toEqual([userId]);
  }
  expect((await app.find('nobody')).length).toBe(0);

  for (const userAgent of [`O'Brien ${secret.id}`, KEY_THIEF]) {
    const id = `${secret.id}-${userAgent.length}`;
    await send(app.port, { path: `/things/${id}`, headers: { 'user-agent': userAgent } });
    await app.audit.flush();
    const { events } = await app.audit.find({ allTenants: true, resourceId: id });
    expect(events).toMatchObject([{ userAgent, action: 'thing.read' }]);
    expect(events[0]).not.toHaveProperty('sessionId');
  }
  expect(await app.audit.deadLetters({ allTenants: true })).toEqual([]);
  const { treeSize } = await app.audit.checkpoint();
  expect(await app.audit.verify()).toMatchObject({ ok: true, events: treeSize });
}

const reason = missingReason('mysql');
const describeMysql = reason === undefined ? describe : describe.skip;

describeMysql(
  `SQL injection through the character set or the mode of a MySQL connection ${reason ?? ''}`,
  () => {
    let database: TestDatabase;
    let store: AuditStore;
    let users: GrantedUsers;

    beforeAll(async () => {
      database = await createDatabase('mysql');
      store = await openStore(database.options);
      users = await grantUsers(database, store.connection);
    });

    afterAll(async () => {
      await users.drop();
      await store.close();
      await database.drop();
    });

    /** The two places where TypeORM takes a character set; the second one wins. */
    const placesOf = (charset: string) => [{ charset }, { extra: { charset } }];

    it.each([
      ...CHARACTER_SETS.map((charset) => [`${charset} in both places`, { charset, extra: { charset } }]),
      // One by which texts become SQL.
      ...placesOf('gbk').map((place) => [`gbk as ${JSON.stringify(place)}`, place]),
    ] as [string, object][])(
      'reads no other tenant and keeps every text, where the options say %s',
      async (_, place) => {
        const app = await start(database.journal, {
          database: { ...users.application, ...place },
          migrate: false,
          ledger: { database: { ...users.sealer, ...place } },
        });
        try {
          await expectOnlyValues(app);
        } finally {
          await app.close();
        }
      },
    );

    // TypeORM itself can't read what a connection in `binary` answers.
    it.each(CHARACTER_SETS.filter((charset) => charset !== 'binary'))(
      'refuses to share a data source in %s',
      async (charset) => {
        for (const place of placesOf(charset)) {
          const options = { ...users.application, ...place } as AuditDatabaseOptions;
          const dataSource = await new DataSource(options).initialize();
          try {
            await expect(start(database.journal, { dataSource, migrate: false })).rejects.toMatchObject({
              code: 'AUDIT_INVALID_OPTIONS',
              field: 'dataSource',
              message: expect.stringMatching(/write charset: 'utf8mb4'/),
            });
          } finally {
            await dataSource.destroy();
          }
        }
      },
    );

    /** With one connection, so that the test can change its session. */
    const single = () =>
      new DataSource({
        ...users.application,
        extra: { connectionLimit: 1 },
      } as AuditDatabaseOptions).initialize();

    it.each([
      ['SET NAMES latin1', /write charset: 'utf8mb4'/],
      ['SET character_set_results = latin1', /write charset: 'utf8mb4'/],
      ["SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'", /write a sql_mode without it/],
      // In MariaDB alone.
      ["SET SESSION sql_mode = 'EMPTY_STRING_IS_NULL'", /EMPTY_STRING_IS_NULL.*write a sql_mode without it/],
      // No injection: what is stored would not be committed, or what is read not either.
      ['SET SESSION autocommit = 0', /write SET SESSION autocommit = 1/],
      ['SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED', /write SET SESSION TRANSACTION ISOLATION/],
    ])('refuses to share a data source after %s', async (statement, message) => {
      const dataSource = await single();
      try {
        const isKnown = await dataSource.query(statement).then(
          () => true,
          (error: { code?: string }) => error.code !== 'ER_WRONG_VALUE_FOR_VAR',
        );
        if (!isKnown) return;
        await expect(start(database.journal, { dataSource, migrate: false })).rejects.toMatchObject({
          code: 'AUDIT_INVALID_OPTIONS',
          field: 'dataSource',
          message: expect.stringMatching(message),
        });
      } finally {
        await dataSource.destroy();
      }
    });

    // In the second, names of functions can't be those of columns.
    it.each(['NO_BACKSLASH_ESCAPES', 'ANSI'])(
      'keeps values apart where the application changes the mode of a shared connection to %s later',
      async (mode) => {
        const dataSource = await single();
        const ledger = { database: users.sealer };
        const app = await start(database.journal, { dataSource, migrate: false, ledger });
        try {
          await dataSource.query(`SET SESSION sql_mode = '${mode}'`);
          await expectOnlyValues(app);
          expect(await app.audit.statistics({ tenantId: 'acme' })).toMatchObject({
            total: expect.any(Number),
          });
          // In a transaction of the application's as well.
          const { id } = await dataSource.transaction((manager) =>
            app.audit.record({ tenantId: 'acme', action: 'thing.own', userAgent: KEY_THIEF }, { manager }),
          );
          expect(await app.audit.findById(id, { tenantId: 'acme' })).toMatchObject({ userAgent: KEY_THIEF });
        } finally {
          await app.close();
          await dataSource.destroy();
        }
      },
    );

    it('refuses a transaction whose texts would not arrive as they are', async () => {
      const dataSource = await single();
      const app = await start(database.journal, {
        database: users.application,
        migrate: false,
        delivery: AS_A_TOOL,
      });
      try {
        await dataSource.query('SET NAMES latin1');
        await expect(
          dataSource.transaction((manager) =>
            app.audit.record({ tenantId: 'acme', action: 'thing.own', userId: 'x\u0127' }, { manager }),
          ),
        ).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTIONS' });
      } finally {
        await app.close();
        await dataSource.destroy();
      }
    });

    it('keeps few statements prepared, however many different ones are asked for', async () => {
      const dataSource = await single();
      const app = await start(database.journal, { dataSource, migrate: false });
      try {
        const prepared = async () => {
          const rows = await dataSource.query<{ Variable_name: string; Value: string }[]>(
            "SHOW SESSION STATUS LIKE 'Com_stmt_%'",
          );
          const count = (name: string) => Number(rows.find((one) => one.Variable_name === name)?.Value);
          return count('Com_stmt_prepare') - count('Com_stmt_close');
        };
        for (let users = 1; users <= 100; users += 1) {
          const userId = Array.from({ length: users }, (_, index) => `user-${index}`);
          await app.audit.find({ tenantId: 'acme', userId });
        }
        const count = await prepared();
        expect(count).toBeGreaterThan(0);
        expect(count).toBeLessThanOrEqual(25);
      } finally {
        await app.close();
        await dataSource.destroy();
      }
    });
  },
);

describeMysql(`SQL injection through the configuration of a MySQL server ${reason ?? ''}`, () => {
  const program = findFirst('mariadbd', 'mysqld');
  const test = program === undefined ? it.skip : it;

  test('reads and writes values only, whatever the server sets for new sessions', async () => {
    const address = await mysqlServer.startPrivate([
      '--sql-mode=NO_BACKSLASH_ESCAPES',
      '--character-set-server=latin1',
      '--skip-character-set-client-handshake',
      '--init-connect=SET NAMES latin1',
    ]);
    if (!address) throw new Error(`${program} has no program beside it that installs its tables`);
    await mysqlServer.query(address, ['CREATE DATABASE audit_test_modes']);
    const options = { ...address, type: 'mysql', database: 'audit_test_modes' } as const;
    const template = await createDatabase('mysql');
    const database: TestDatabase = { ...template, options };
    const store = await openStore(options);
    const users = await grantUsers(database, store.connection);
    const app = await start(database.journal, {
      database: users.application,
      migrate: false,
      ledger: { database: users.sealer },
    });
    try {
      await expectOnlyValues(app);
      const [row] = await store.connection.query<{ mode: string; client: string }[]>(
        'SELECT @@GLOBAL.sql_mode AS mode, @@GLOBAL.character_set_server AS client',
      );
      expect(row).toEqual({ mode: 'NO_BACKSLASH_ESCAPES', client: 'latin1' });
    } finally {
      await app.close();
      await store.close();
      await template.drop();
    }
  }, 120_000);
});

describeEachDatabase('texts of clients', (create, name) => {
  it('are values, also where the session reads backslashes and quotes in its old ways', async () => {
    const database = await create();
    const store = await openStore(database.options);
    const users = await grantUsers(database, store.connection);
    const old = '-c standard_conforming_strings=off -c backslash_quote=on -c escape_string_warning=off';
    const withOld = (user: AuditDatabaseOptions) =>
      ({ ...user, ...(name === 'postgres' && { extra: { options: old } }) }) as AuditDatabaseOptions;
    const app = await start(database.journal, {
      database: withOld(users.application),
      migrate: false,
      // A SQLite file has no users.
      ...(name !== 'sqlite' && { ledger: { database: withOld(users.sealer) } }),
    });
    try {
      await expectOnlyValues(app);
    } finally {
      await app.close();
      await users.drop();
      await store.close();
    }
  });
});

describeEachDatabase('names of tables', (create, name) => {
  withoutThread('names are only asked for');
  const prefixes = ["a'b_", 'a`b_', 'a"b_', 'a.b_', 'a\\', 'a$$b_'].map((hostile) => [
    'entityPrefix',
    hostile,
  ]);
  const schemas = name === 'postgres' ? [['schema', 'x"; DROP TABLE audit_events; --']] : [];

  let database: TestDatabase;

  beforeAll(async () => {
    database = await create();
  });

  it.each([...prefixes, ...schemas])(
    'are refused where a statement could end in them: %s %s',
    async (property, hostile) => {
      const options = { ...database.options, [property!]: hostile } as AuditDatabaseOptions;
      await expect(start(database.journal, { database: options })).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTIONS',
        field: `database.${property}`,
      });
    },
  );
});

describe('statements', () => {
  it('with values go through one file of the store', () => {
    const files = (readdirSync('src', { recursive: true }) as string[]).filter((file) =>
      file.endsWith('.ts'),
    );
    const asking = files.filter((file) =>
      /\.(?:query|execute)\s*(?:<[^(]*>)?\(|\.(?:getRaw|getMany|getOne|getCount|getExists|insert\(\)|update\(\)|stream\(\))/.test(
        readFileSync(join('src', file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''),
      ),
    );
    const migrations = asking.filter(
      (file) => file.startsWith(join('store', 'migrations')) || /\d{13}-[\w-]+\.ts$/.test(file),
    );
    // Migrations have no values.
    expect(asking.filter((file) => !migrations.includes(file)).sort()).toEqual([
      join('store', 'prepared-statements.ts'),
      join('store', 'run-statement.ts'),
    ]);
  });
});
