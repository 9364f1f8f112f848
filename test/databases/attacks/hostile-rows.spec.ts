// The rule that nothing in a table is believed: whoever may INSERT as the application does puts a hostile value into every
// column of every table. Sealing, verification, reading, retention and erasure go on, and nobody genuine is accused.
import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import type { AuditLogEvent } from 'nest-audit-trail';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys } from '../../../src/ledger/index.js';
import { dropChecks, startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { openStore } from '../../support/audit-store.js';
import type { AuditStore } from '../../support/audit-store.js';
import { describeEachDatabase, withoutThread } from '../../support/harness/databases.js';
import type { TestDatabase, TestDatabaseName } from '../../support/harness/databases.js';
import { grantUsers } from '../../support/granted-users.js';
import type { GrantedUsers } from '../../support/granted-users.js';
import { toStored } from '../../support/stored-rows.js';

type Value = string | number | Buffer | null;
type Row = Record<string, unknown>;

const DAY_MS = 86_400_000;
const FAR = '9223372036854775807';
const keys = generateKeys('audit.example');

/** What a column may be filled with; the database refuses some of it. */
const HOSTILE: readonly Value[] = [
  '',
  '{',
  'null',
  '[]',
  '[1,2]',
  '"text"',
  '{"a":null}',
  '{"a":{"b":1}}',
  '{"__proto__":{"isAdmin":true},"constructor":1}',
  '{"record":"none","holdId":7,"allTenants":true,"from":"x","to":{},"reason":[]}',
  'NaN',
  'a\u0000b',
  '\u001b[2J\u001b[31m\u202e',
  "' OR 1=1 -- ",
  'x'.repeat(70_000),
  'globex',
  'audit.removal',
  'audit.hold',
  'audit.release-hold',
  'audit.gap',
  'audit.erase',
  'closed',
  'abandoned',
  FAR,
  '9007199254740993',
  '-9223372036854775808',
  '4102444800000',
  -1,
  1.5,
  Buffer.from([0xff, 0x00, 0xfe]),
  null,
];

/** The tables that the application's user may insert into, with what makes a further row of each. */
const TABLES: Readonly<Record<string, (unique: string, row: Row) => Row>> = {
  // Without a number, as an event within a transaction of the application's is.
  audit_events: (id) => ({ id, source: null, sequence: null }),
  audit_dead_letters: (id) => ({ id, source: null, sequence: null }),
  audit_sources: (id) => ({ id, source: createEventId(Date.now()) }),
  audit_keys: (id, row) => ({ id, generation: Number(row['generation']) + Math.floor(Math.random() * 1e9) }),
};

const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  audit_events: [
    'id',
    'timestamp',
    'tenant_id',
    'user_id',
    'action',
    'resource',
    'resource_id',
    'details',
    'ip_address',
    'user_agent',
    'session_id',
    'severity',
    'category',
    'outcome',
    'risk_score',
    'compliance_flags',
    'metadata',
    'source',
    'sequence',
  ],
  audit_dead_letters: ['id', 'tenant_id', 'source', 'sequence', 'timestamp', 'reason', 'event'],
  audit_sources: ['id', 'source', 'kind', 'sequence', 'timestamp', 'process'],
  audit_keys: ['subject', 'generation', 'id', 'tenant_id', 'wrapped', 'master_id', 'created_at', 'erased_at'],
};

for (const checks of ['with the checks of the tables', 'where the checks are gone']) {
  describeEachDatabase(`a hostile row, ${checks},`, (create, name) => {
    withoutThread('what is protected is encrypted by the main thread');
    let database: TestDatabase;
    let owner: AuditStore;
    let users: GrantedUsers;
    let attacker: DataSource;
    let app: LedgerApp;
    const retained = () => app.get(AuditRetention);
    /** One genuine row of each table. */
    const genuine = new Map<string, Row>();
    let others: AuditLogEvent[];
    const forged = new Set<string>();

    beforeAll(async () => {
      database = await create();
      owner = await openStore(database.options);
      if (checks !== 'with the checks of the tables') await dropChecks(owner.connection, database);
      users = await grantUsers(database, owner.connection);
      attacker = await new DataSource(users.application).initialize();
      if (name === 'sqlite' && checks !== 'with the checks of the tables')
        await dropChecks(attacker, database);
      app = await startLedgerApp(
        { ...database, options: users.application },
        {
          migrate: false,
          ledger: { signingKey: keys.signerKey, database: users.sealer, gapTimeoutMs: 0 },
          features: [
            protection({ fields: ['details.email'], masterKey: randomBytes(32).toString('base64') }),
            retention({ rules: [{ keepDays: 30 }], database: users.maintenance }),
          ],
        },
      );
      for (const tenantId of ['acme', 'globex']) {
        for (const userId of ['ann', 'carl']) {
          await app.audit.record({ tenantId, userId, action: 'thing.read', details: { email: 'a@b.test' } });
          const timestamp = Date.now() - 60 * DAY_MS;
          await app.audit.record({ tenantId, userId, action: 'thing.old', timestamp });
        }
      }
      await app.audit.flush();
      await app.audit.checkpoint();
      const [event] = (await app.audit.find({ tenantId: 'acme', limit: 1 })).events;
      await owner.letters.keep({ ...event!, id: createEventId(Date.now()) }, 'refused');
      for (const table of Object.keys(TABLES)) {
        const [row] = (await owner.connection.query(`SELECT * FROM ${table}`)) as Row[];
        genuine.set(table, { ...row });
      }
      others = (await app.audit.find({ tenantId: 'globex', limit: 100 })).events;
      expect(others).toHaveLength(4);
    });

    afterAll(async () => {
      await app.close();
      await attacker.destroy();
      await users.drop();
      await owner.close();
    });

    it.each(Object.entries(COLUMNS))('in any column of %s stops nothing', async (table, columns) => {
      const accepted: string[] = [];
      for (const column of columns) {
        for (const value of HOSTILE) {
          if (await insert(attacker, name, table, { ...rowFor(table), [column]: value }))
            accepted.push(column);
        }
      }
      expect(accepted.length).toBeGreaterThan(0);
      await goesOn();
    });

    it('leaves retention and erasure able to do their work', async () => {
      expect((await retained().removeExpired()).removed).toBeGreaterThanOrEqual(4);
      await app.audit.checkpoint();
      expect(await app.get(DataProtection).forget({ tenantId: 'globex', subjectId: 'carl' })).toMatchObject({
        keys: 1,
      });
      const revealed = await app.audit.find({ tenantId: 'globex', userId: 'carl', reveal: true });
      expect(JSON.stringify(revealed.events)).not.toContain('a@b.test');
      const kept = await app.audit.find({ tenantId: 'globex', userId: 'ann', reveal: true });
      const own = kept.events.filter(({ id }) => others.some((other) => other.id === id));
      expect(own.map(({ details }) => details['email'])).toEqual(['a@b.test']);
      await noneGenuineIsAccused();
    });

    it('is told of where somebody looks', async () => {
      const result = await app.audit.verify({ maxProblems: 10_000 });
      expect(result.ok).toBe(false);
      expect(app.audit.status()).toMatchObject({ healthy: true, unreadable: expect.any(Number) });
    });

    function rowFor(table: string): Row {
      const id = createEventId(Date.now());
      forged.add(id);
      const row = genuine.get(table)!;
      return { ...row, ...TABLES[table]!(id, row) };
    }

    async function goesOn(): Promise<void> {
      const event = await app.audit.record({ tenantId: 'acme', userId: 'ann', action: 'thing.read' });
      await app.audit.flush();
      await app.audit.checkpoint();
      expect(await app.audit.prove(event.id, { tenantId: 'acme' })).toMatchObject({
        event: { id: event.id },
      });
      await noneGenuineIsAccused();
      // Nobody else's events change, whoever's tenant the rows say.
      const theirs = (await app.audit.find({ tenantId: 'globex', limit: 1_000 })).events;
      expect(theirs.filter(({ id }) => !forged.has(id))).toEqual(expect.arrayContaining(others));
      for await (const one of app.audit.stream({ tenantId: 'acme' })) expect(typeof one.id).toBe('string');
      await app.audit.history({ tenantId: 'acme', resource: 'thing', resourceId: 'x' });
      await app.audit.statistics({ tenantId: 'acme' });
      await app.audit.deadLetters({ allTenants: true });
      await app.audit.sources();
      await retained().storage({ allTenants: true });
      await retained().holds({ allTenants: true });
      await app.get(DataProtection).exportSubject({ tenantId: 'acme', subjectId: 'ann' });
      expect((await retained().removeExpired({ dryRun: true })).removed).toBeGreaterThanOrEqual(4);
    }

    async function noneGenuineIsAccused(): Promise<void> {
      const { problems } = await app.audit.verify({ maxProblems: 10_000 });
      const genuineIds = new Set(others.map(({ id }) => id));
      for (const problem of problems) {
        expect(genuineIds.has(problem.eventId ?? '')).toBe(false);
      }
    }
  });
}

/** @returns whether the database took it */
async function insert(
  connection: DataSource,
  name: TestDatabaseName,
  table: string,
  row: Row,
): Promise<boolean> {
  const stored = toStored(connection, table, row);
  const columns = Object.keys(stored);
  let count = 0;
  const places = columns.map(() => (name === 'postgres' ? `$${++count}` : '?'));
  const names = columns.map((column) => connection.driver.escape(column));
  try {
    await connection.query(
      `INSERT INTO ${table} (${names.join(', ')}) VALUES (${places.join(', ')})`,
      Object.values(stored),
    );
    return true;
  } catch {
    return false;
  }
}
