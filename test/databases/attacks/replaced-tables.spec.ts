// Who owns the tables has the database show, or keep, something else than was inserted: each such way is named.
import { eventually } from '../../support/eventually.js';
import { logged, RawTables, startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { describeEachDatabase } from '../../support/harness/databases.js';
import type { TestDatabase, TestDatabaseName } from '../../support/harness/databases.js';

const COPY = 'CREATE TABLE audit_shadow AS SELECT * FROM audit_events';
const DROP = 'ALTER TABLE audit_events RENAME TO audit_real';
const VIEW = 'CREATE VIEW audit_events AS SELECT * FROM audit_real';

/** Statements of the owner, and what the sentence about them says. */
const WAYS: Record<
  TestDatabaseName,
  readonly (readonly [way: string, statements: readonly string[], says: RegExp])[]
> = {
  sqlite: [
    ['a view of the same name', [DROP, VIEW], /The table audit_events is a view/],
    [
      'a trigger that changes what was inserted',
      [
        `CREATE TRIGGER audit_events_no_replace_2 AFTER INSERT ON audit_events
          BEGIN UPDATE audit_events SET user_id = 'bob' WHERE id = NEW.id; END`,
      ],
      /The table audit_events has the trigger audit_events_no_replace_2 at INSERT/,
    ],
  ],
  mysql: [
    ['a view of the same name', [DROP, VIEW], /The table audit_events is no table/],
    [
      'a trigger that changes what is inserted',
      [
        "CREATE TRIGGER audit_events_no_update BEFORE INSERT ON audit_events FOR EACH ROW SET NEW.user_id = 'bob'",
      ],
      /The table audit_events has the trigger audit_events_no_update before INSERT/,
    ],
  ],
  postgres: [
    ['a view of the same name', [DROP, VIEW], /The table audit_events is no table/],
    [
      'a policy of row-level security',
      [
        'ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY',
        "CREATE POLICY hidden ON audit_events USING (user_id <> 'ann')",
      ],
      /The table audit_events has row-level security/,
    ],
    [
      'a rule that inserts elsewhere',
      [
        COPY,
        'CREATE RULE elsewhere AS ON INSERT TO audit_events DO ALSO INSERT INTO audit_shadow SELECT NEW.*',
      ],
      /The table audit_events has a rule/,
    ],
    [
      'a trigger that changes what is inserted',
      [
        `CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.user_id := 'bob'; RETURN NEW; END $$`,
        'CREATE TRIGGER audit_events_append_only BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION other()',
      ],
      /The table audit_events has the trigger audit_events_append_only before INSERT/,
    ],
  ],
};

describeEachDatabase('tables that are not what they seem', (create, name) => {
  let database: TestDatabase;
  let app: LedgerApp | undefined;

  async function recordOne(): Promise<void> {
    app = await startLedgerApp(database);
    await app.audit.record({ action: 'thing.create', userId: 'ann' });
    await eventually(() => app!.audit.flush());
    await app.audit.checkpoint();
  }

  beforeEach(async () => {
    database = await create();
    logged.length = 0;
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  it('are not suspected as the migrations make them', async () => {
    await recordOne();
    expect(await app!.audit.verify()).toMatchObject({ ok: true, problems: [] });
    // A slow machine may have more to say.
    expect(logged.filter((line) => line.includes('The table '))).toEqual([]);
  });

  it.each(WAYS[name])('are named where there is %s', async (_, statements, says) => {
    await recordOne();
    const owner = await RawTables.open(database);
    for (const statement of statements) await owner.query(statement);
    await owner.close();

    const { ok, problems } = await app!.audit.verify();
    expect(ok).toBe(false);
    expect(problems).toContainEqual({ code: 'table_replaced', message: expect.stringMatching(says) });

    await app!.close();
    app = await startLedgerApp(database, {});
    await eventually(() => expect(logged.filter((line) => says.test(line))).toHaveLength(1));
  });
});
