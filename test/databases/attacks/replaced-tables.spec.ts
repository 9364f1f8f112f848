// Who owns the tables has the database show, or keep, something else than was inserted: each such way is named.
import { eventually } from '../../support/eventually.js';
import { AS_A_TOOL, logged, RawTables, startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { as } from '../../support/event-rows.js';
import { describeEachDatabase } from '../../support/harness/databases.js';
import type { TestDatabase, TestDatabaseName } from '../../support/harness/databases.js';

const COPY = 'CREATE TABLE audit_shadow AS SELECT * FROM audit_events';
const DROP = 'ALTER TABLE audit_events RENAME TO audit_real';
const VIEW = 'CREATE VIEW audit_events AS SELECT * FROM audit_real';
const BACK = ['DROP VIEW audit_events', 'ALTER TABLE audit_real RENAME TO audit_events'];

/** Statements of the owner, what the sentence about them says, and the statements that undo them. */
const WAYS: Record<
  TestDatabaseName,
  readonly (readonly [way: string, statements: readonly string[], says: RegExp, undo: readonly string[]])[]
> = {
  sqlite: [
    ['a view of the same name', [DROP, VIEW], /The table audit_events is a view/, BACK],
    [
      'a trigger that changes what was inserted',
      [
        `CREATE TRIGGER audit_events_no_replace_2 AFTER INSERT ON audit_events
          BEGIN UPDATE audit_events SET user_id = 'bob' WHERE id = NEW.id; END`,
      ],
      /The table audit_events has the trigger audit_events_no_replace_2 at INSERT/,
      ['DROP TRIGGER audit_events_no_replace_2'],
    ],
  ],
  mysql: [
    ['a view of the same name', [DROP, VIEW], /The table audit_events is no table/, BACK],
    [
      'a trigger that changes what is inserted',
      [
        "CREATE TRIGGER audit_events_no_update BEFORE INSERT ON audit_events FOR EACH ROW SET NEW.user_id = 'bob'",
      ],
      /The table audit_events has the trigger audit_events_no_update before INSERT/,
      ['DROP TRIGGER audit_events_no_update'],
    ],
  ],
  postgres: [
    ['a view of the same name', [DROP, VIEW], /The table audit_events is no table/, BACK],
    [
      'a policy of row-level security',
      [
        'ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY',
        "CREATE POLICY hidden ON audit_events USING (user_id <> 'ann')",
      ],
      /The table audit_events has row-level security/,
      ['DROP POLICY hidden ON audit_events', 'ALTER TABLE audit_events DISABLE ROW LEVEL SECURITY'],
    ],
    [
      'a rule that inserts elsewhere',
      [
        COPY,
        'CREATE RULE elsewhere AS ON INSERT TO audit_events DO ALSO INSERT INTO audit_shadow SELECT NEW.*',
      ],
      /The table audit_events has a rule/,
      // PostgreSQL says that a table has rules until it is cleaned up.
      ['DROP RULE elsewhere ON audit_events', 'VACUUM audit_events', 'DROP TABLE audit_shadow'],
    ],
    [
      'a trigger that changes what is inserted',
      [
        `CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.user_id := 'bob'; RETURN NEW; END $$`,
        'CREATE TRIGGER audit_events_append_only BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION other()',
      ],
      /The table audit_events has the trigger audit_events_append_only before INSERT/,
      ['DROP FUNCTION other() CASCADE'],
    ],
  ],
};

describeEachDatabase('tables that are not what they seem', (create, name) => {
  let database: TestDatabase;
  let app: LedgerApp;
  let owner: RawTables;

  beforeAll(async () => {
    database = await create();
    logged.length = 0;
    app = await startLedgerApp(database);
    await app.audit.record({ action: 'thing.create', userId: 'ann' });
    await eventually(() => app.audit.flush());
    await app.audit.checkpoint();
  });
  afterAll(async () => {
    await owner.close();
    await app.close();
    await database.drop();
  });

  const said = (says: RegExp) => logged.filter((line) => says.test(line));
  async function run(statements: readonly string[]): Promise<void> {
    for (const statement of statements) await owner.query(statement);
  }

  it('are not suspected as the migrations make them', async () => {
    expect(await app.audit.verify()).toMatchObject({ ok: true, problems: [] });
    // A slow machine may have more to say.
    expect(said(/The table /)).toEqual([]);
    owner = await RawTables.open(database);
  });

  it.each(WAYS[name])('are named where there is %s', async (_, statements, says, undo) => {
    await run(statements);
    const { ok, problems } = await app.audit.verify();
    expect(ok).toBe(false);
    expect(problems).toContainEqual({ code: 'table_replaced', message: expect.stringMatching(says) });

    logged.length = 0;
    const other = await startLedgerApp(as(database, database.options, '-other'), { delivery: AS_A_TOOL });
    await eventually(() => expect(said(says)).toHaveLength(1));
    await run(undo);
    await other.close();
    expect(await app.audit.verify()).toMatchObject({ ok: true, problems: [] });
  });
});
