// How ids and codes stand in the tables, what people see of them, and what of it somebody may write who has the right to insert.
import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import type { DataSourceOptions, QueryRunner } from 'typeorm';
import { CATEGORIES, OUTCOMES, SEVERITIES } from 'nest-audit-trail';
import {
  AUDIT_ENTITIES,
  AUDIT_MIGRATIONS,
  AUDIT_MIGRATIONS_TABLE,
  AuditEventEntity,
} from 'nest-audit-trail/typeorm';
import type { AuditDatabaseOptions, AuditLogEvent } from 'nest-audit-trail';
import { createEventId } from '../../src/event/event-id.js';
import { CODES, codeOf, readCode } from '../../src/store/codes.js';
import { ROW_COLUMNS, toRow } from '../../src/store/event-row.js';
import { CreateAudit1763856000000 } from '../../src/store/migrations/1763856000000-create-audit.js';
import { createTextView, dropTextView } from '../../src/store/migrations/text-view.js';
import { classifyStoreError } from '../../src/store/store-error.js';
import { numbered, openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { eventually } from '../support/eventually.js';
import { insertRow, rowOf } from '../support/event-rows.js';
import { Page } from '../support/docs/page.js';
import { describeEachDatabase, withoutThread } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { dropTriggers } from '../support/ledger-app.js';
import { ask, toStored } from '../support/stored-rows.js';

const ALL_ZEROS = '00000000-0000-0000-0000-000000000000';
const ALL_ONES = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const SOURCE = createEventId(Date.now());

/** One of each severity, category and outcome at least. */
const EVENTS: readonly AuditLogEvent[] = CATEGORIES.map((category, index) =>
  numbered(SOURCE, index + 1, {
    category,
    severity: SEVERITIES[index % SEVERITIES.length]!,
    outcome: OUTCOMES[index % OUTCOMES.length]!,
    userId: `user-${index}`,
    timestamp: Date.now() + index,
  }),
);

describe('codes', () => {
  it('are one for each text, of one byte, and go both ways', () => {
    for (const [column, texts] of [
      ['severity', SEVERITIES],
      ['category', CATEGORIES],
      ['outcome', OUTCOMES],
    ] as const) {
      expect(Object.keys(CODES[column])).toEqual([...texts]);
      const codes = texts.map((text) => codeOf(column, text)!);
      expect(new Set(codes).size).toBe(texts.length);
      for (const [index, code] of codes.entries()) {
        expect(code >= 1 && code <= 255 && readCode(column, code)).toBe(texts[index]);
      }
      for (const text of ['', 'bogus', '1', '__proto__', 'constructor'])
        expect(codeOf(column, text)).toBeNull();
      expect([0, 99, 'low', 1.5, Buffer.from('1')].map((value) => readCode(column, value))).toEqual([
        0,
        99,
        NaN,
        NaN,
        NaN,
      ]);
    }
  });
});

describeEachDatabase('compact rows', (create, name) => {
  withoutThread('no application');
  let database: TestDatabase;
  let store: AuditStore;

  beforeEach(async () => {
    database = await create();
    store = await openStore(database.options);
    await store.events.append(EVENTS);
  });
  afterEach(async () => {
    await store.close();
    await database.drop();
  });

  const found = (order: 'newest' | 'oldest', after?: string) =>
    store.events.find({ tenantId: 'acme' }, { limit: 3, order, ...(after !== undefined && { after }) });

  async function walk(order: 'newest' | 'oldest'): Promise<string[]> {
    const ids: string[] = [];
    for (let page = await found(order); page.length > 0; page = await found(order, page.at(-1)!.id)) {
      ids.push(...page.map(({ id }) => id));
    }
    return ids;
  }

  it('have ids of 16 bytes and codes of a number', async () => {
    const [row] = (await store.connection.query('SELECT * FROM audit_events ORDER BY id')) as [
      Record<string, unknown>,
    ];
    const first = EVENTS[0]!;
    expect(Object.keys(row)).toEqual([...ROW_COLUMNS]);
    expect(row).toMatchObject({ severity: 1, category: 1, outcome: 1 });
    for (const [column, id] of [
      ['id', first.id],
      ['source', SOURCE],
    ] as const) {
      const stored = row[column];
      expect(name === 'postgres' ? stored : (stored as Buffer).toString('hex')).toBe(
        name === 'postgres' ? id : id.replaceAll('-', ''),
      );
    }
  });

  it('are shown as texts by the view, with the columns of the table', async () => {
    // An unknown code is its number; any 16 bytes are an id.
    const odd = numbered(SOURCE, 99, { id: ALL_ONES });
    await insertRow(
      store.connection,
      'audit_events',
      rowOf(odd, { severity: 77, category: 0, source: null, sequence: null }),
    );
    const rows: Record<string, unknown>[] = await store.connection.query(
      'SELECT * FROM audit_events_text ORDER BY id',
    );
    const texts = rows.map((row) => ({
      ...row,
      timestamp: Number(row['timestamp']),
      sequence: row['sequence'] === null ? null : Number(row['sequence']),
    }));
    const expected = EVENTS.map((event) => {
      const values = toRow(event);
      return Object.fromEntries(ROW_COLUMNS.map((column, index) => [column, values[index]]));
    });
    expect(texts.slice(0, -1)).toEqual(expected);
    expect(Object.keys(rows[0]!)).toEqual([...ROW_COLUMNS]);
    expect(texts.at(-1)).toMatchObject({ id: ALL_ONES, severity: '77', category: '0', source: null });
    // A condition on it is one on the texts.
    expect(
      await store.connection.query(
        `SELECT action FROM audit_events_text WHERE id = '${EVENTS[2]!.id}' AND category = '${EVENTS[2]!.category}'`,
      ),
    ).toHaveLength(1);
  });

  it('answer the SQL that the page on queries shows', async () => {
    const examples = Page.read('docs/read/querying.md').section('SQL').blocks('sql');
    expect(examples).toHaveLength(2);
    const about = {
      resource: 'invoice',
      resourceId: '42',
      outcome: 'failure',
      severity: 'critical',
    } as const;
    await store.events.append([numbered(SOURCE, 40, about)]);
    for (const { code } of examples)
      expect(await store.connection.query(code)).toHaveLength(code.includes('LIMIT') ? 2 : 1);
  });

  it('have the view under the prefix and in the schema of the tables, and without them it goes', async () => {
    const other = await create({ isEmpty: true });
    const place = { entityPrefix: 'app_', ...(name === 'postgres' && { schema: 'ledgers' }) };
    const connection = await new DataSource({
      ...other.options,
      ...place,
      migrations: AUDIT_MIGRATIONS,
      migrationsTableName: `app_${AUDIT_MIGRATIONS_TABLE}`,
    } as DataSourceOptions).initialize();
    if (name === 'postgres') await connection.query('CREATE SCHEMA ledgers');
    await connection.runMigrations();
    const placed = await openStore({ ...other.options, ...place } as AuditDatabaseOptions, {
      migrate: false,
    });
    await placed.events.append(EVENTS);
    await placed.close();
    const view = `${name === 'postgres' ? 'ledgers.' : ''}app_audit_events_text`;
    const rows: { id: string }[] = await connection.query(`SELECT id FROM ${view} ORDER BY id`);
    expect(rows.map(({ id }) => id)).toEqual(EVENTS.map(({ id }) => id));
    for (let count = 0; count < AUDIT_MIGRATIONS.length; count += 1) await connection.undoLastMigration();
    await expect(connection.query(`SELECT id FROM ${view}`)).rejects.toThrow();
    // And comes back.
    await connection.runMigrations();
    expect(await connection.query(`SELECT id FROM ${view}`)).toEqual([]);
    await connection.destroy();
    await other.drop();
  });

  it('are read by the entity as texts, and found by them', async () => {
    const entities = await new DataSource({
      ...database.options,
      entities: AUDIT_ENTITIES,
    } as DataSourceOptions).initialize();
    const repository = entities.getRepository(AuditEventEntity);
    const read = await repository.find({ order: { id: 'ASC' } });
    for (const [index, event] of EVENTS.entries()) {
      const { id, severity, category, outcome } = event;
      expect(read[index]).toMatchObject({ id, severity, category, outcome, source: SOURCE });
      expect((await repository.findBy({ id, severity, category }))[0]).toMatchObject({ id, outcome });
    }
    await entities.destroy();
  });

  it('take any 16 bytes for an id, and every page has it in its place', async () => {
    const ids = [ALL_ZEROS, '00000000-0000-0000-0000-000000000001', ALL_ONES];
    for (const id of ids) {
      const row = rowOf(numbered(SOURCE, 1, { id }), { source: null, sequence: null });
      await insertRow(store.connection, 'audit_events', row);
    }
    const all = [...EVENTS.map(({ id }) => id), ...ids].sort();
    expect(await walk('oldest')).toEqual(all);
    expect(await walk('newest')).toEqual(all.reverse());
    for (const id of ids) expect(await store.events.findById(id, {})).toMatchObject({ id });
    expect(await store.events.findById('no id', {})).toBeUndefined();
    expect(await store.events.findById(EVENTS[0]!.id.toUpperCase(), {})).toBeUndefined();
  });

  it('answer an unknown code as unreadable, and find nothing by an unknown text', async () => {
    const { id } = numbered(SOURCE, 1);
    const row = rowOf(numbered(SOURCE, 1, { id }), { severity: 99, source: null, sequence: null });
    await insertRow(store.connection, 'audit_events', row);
    expect(await store.events.findById(id, {})).toMatchObject({
      severity: 'critical',
      metadata: { unreadable: ['severity'] },
    });
    expect(store.events.unreadable).toBe(1);
    const page = { limit: 9, order: 'oldest' } as const;
    expect(await store.events.find({ severity: ['99'] }, page)).toEqual([]);
    expect(await store.events.find({ severity: ['bogus'], category: ['system'] }, page)).toEqual([]);
    const counts = await store.events.countBy({}, 'severity', 4);
    expect(counts.map(({ value }) => value).sort()).toEqual([...SEVERITIES].sort());
  });

  it('refuse an event whose id is no UUID, and keep it as a dead letter', async () => {
    for (const wrong of ['no id', EVENTS[0]!.id.toUpperCase(), '', 'x'.repeat(300)]) {
      const event = { ...numbered(SOURCE, 50), id: wrong };
      const refusal: unknown = await store.events.append([event]).catch((error: unknown) => error);
      expect(classifyStoreError(refusal)).toBe('refused');
      await store.letters.keep(event, 'refused');
      await store.letters.keep(event, 'refused again');
      const [letter] = await ask(store.connection, 'SELECT id, event FROM audit_dead_letters');
      expect(JSON.parse(String(letter!['event']))).toEqual(event);
      const letters = await store.letters.find({ tenantId: 'acme', limit: 9 });
      expect(letters).toMatchObject([
        {
          event: { id: letter!['id'], metadata: { unreadable: ['id'] } },
          reason: 'refused',
          untrusted: expect.any(String),
        },
      ]);
      await dropTriggers(store.connection, database);
      await store.connection.query('DELETE FROM audit_dead_letters');
    }
  });

  if (name === 'mysql') {
    it.each(['utf8mb4_unicode_ci', 'latin1_swedish_ci'])(
      'are found by their texts, also where the view was made in %s',
      async (collation) => {
        const { id, severity } = EVENTS[2]!;
        const session = store.connection.createQueryRunner();
        try {
          await session.query(`SET collation_connection = ${collation}`);
          await dropTextView(session);
          await createTextView(session);
          for (const other of [
            'utf8mb4_general_ci',
            'utf8mb4_unicode_ci',
            'utf8mb4_bin',
            'latin1_swedish_ci',
          ]) {
            await session.query(`SET collation_connection = ${other}`);
            const rows: unknown = await session.query(
              `SELECT id FROM audit_events_text WHERE id = '${id}' AND severity = '${severity}' AND source LIKE '${SOURCE}%'`,
            );
            expect(rows).toEqual([{ id }]);
          }
        } finally {
          await session.query('SET NAMES utf8mb4');
          await session.release();
        }
      },
    );

    it('need no triggers: a server that knows none is told of, and all else works', async () => {
      const other = await create({ isEmpty: true });
      const connection = await new DataSource(other.options as DataSourceOptions).initialize();
      const warnings: string[] = [];
      const note = (warning: Error) => warnings.push(String((warning as { code?: string }).code));
      process.on('warning', note);
      const runner = connection.createQueryRunner();
      try {
        // As TiDB answers: with the error of a statement that can't be parsed.
        const query = (text: string) =>
          runner.query(
            text.replace(/^CREATE TRIGGER/, 'CREATE TRIGER').replace('VERSION()', "'8.0.11-TiDB-v8.5.0'"),
          );
        await new CreateAudit1763856000000().up(
          Object.create(runner, { query: { value: query } }) as QueryRunner,
        );
        await eventually(() => expect(warnings).toEqual(['AUDIT_UNPROTECTED']));
      } finally {
        process.off('warning', note);
        await runner.release();
        await connection.destroy();
        await other.drop();
      }
    });

    it('need no view: who may not create one is told so, and all else works', async () => {
      const other = await create({ isEmpty: true });
      const user = `audit_test_${randomBytes(6).toString('hex')}`;
      const hosts = ['%', 'localhost', '127.0.0.1'].map((host) => `'${user}'@'${host}'`);
      const warnings: string[] = [];
      const note = (warning: Error) => warnings.push(String((warning as { code?: string }).code));
      process.on('warning', note);
      try {
        for (const host of hosts) {
          await store.connection.query(`CREATE USER ${host} IDENTIFIED BY 'audit-test'`);
          await store.connection.query(
            `GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, TRIGGER ON ${String(other.options.database)}.* TO ${host}`,
          );
        }
        const limited = await openStore({
          ...other.options,
          username: user,
          password: 'audit-test',
        } as AuditDatabaseOptions);
        await limited.events.append(EVENTS);
        expect(await limited.events.findById(EVENTS[0]!.id, {})).toEqual(EVENTS[0]);
        await limited.close();
        await eventually(() => expect(warnings).toContain('AUDIT_NO_TEXT_VIEW'));
      } finally {
        process.off('warning', note);
        await store.connection.query(`DROP USER ${hosts.join(', ')}`);
        await other.drop();
      }
    });
  }

  if (name !== 'sqlite') return;

  it('refuse what SQLite would take in a column of an id or a code', async () => {
    const row = rowOf(numbered(SOURCE, 60));
    for (const change of [
      { id: createEventId(Date.now()).replaceAll('-', ' ') },
      { id: Buffer.alloc(15) },
      { id: Buffer.alloc(17) },
      { id: 7 },
      { source: 'source' },
      { severity: 'bogus' },
      { severity: 1.5 },
      { outcome: Buffer.from([1]) },
    ]) {
      const stored = { ...toStored(store.connection, 'audit_events', row), ...change };
      await expect(insertRow(store.connection, 'audit_events', stored)).rejects.toThrow(/constraint/i);
    }
  });
});
