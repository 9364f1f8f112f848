// Whoever may INSERT into audit_events: events of thousands of sources that never were keep nobody waiting, neither the sealer nor
// the process that it runs in, and leave no record of a loss in the log.
import 'reflect-metadata';
import type { AuditDatabaseOptions } from 'nest-audit-trail';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys } from '../../../src/ledger/index.js';
import { AttackedDatabase } from '../../support/attacked-database.js';
import { numbered } from '../../support/audit-store.js';
import type { AuditStore } from '../../support/audit-store.js';
import { as, insertRow, insertRows, rowOf } from '../../support/event-rows.js';
import { eventually } from '../../support/eventually.js';
import { startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { describeEachDatabase } from '../../support/harness/databases.js';

const keys = generateKeys('audit.example');

/** Counts the statements of a connection, and how many of them ran without anybody else having a turn. */
class Statements {
  count = 0;
  most = 0;
  private inTurn = 0;
  private isOver = false;

  /** For TypeORM. */
  readonly logger = {
    logQuery: () => {
      this.count += 1;
      this.inTurn += 1;
      this.most = Math.max(this.most, this.inTurn);
    },
    logQueryError: () => undefined,
    logQuerySlow: () => undefined,
    logSchemaBuild: () => undefined,
    logMigration: () => undefined,
    log: () => undefined,
  };

  async during(work: () => Promise<unknown>): Promise<{ count: number; most: number }> {
    this.count = this.most = this.inTurn = 0;
    this.isOver = false;
    const tick = () => {
      this.inTurn = 0;
      if (!this.isOver) setImmediate(tick);
    };
    tick();
    await work();
    this.isOver = true;
    return { count: this.count, most: this.most };
  }
}

describeEachDatabase('events of made-up sources', (create, name) => {
  const COUNT = name === 'sqlite' ? 20_000 : 4_000;
  const FEWER = 3_000;
  let log: AttackedDatabase;
  let store: AuditStore;
  let statements: Statements;

  beforeEach(async () => {
    log = await AttackedDatabase.of(await create());
    store = log.owner;
    statements = new Statements();
  });
  afterEach(() => log.close());

  async function start(ledger: object = {}, journal = ''): Promise<LedgerApp> {
    const { database } = log;
    const options = { ...database.options, logging: true, logger: statements.logger } as AuditDatabaseOptions;
    return log.keep(
      await startLedgerApp(as(database, options, journal), {
        ledger: { signingKey: keys.signerKey, gapTimeoutMs: 0, ...ledger },
      }),
    );
  }

  async function record({ audit }: LedgerApp, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => audit.record({ action: 'thing.create' })));
    await audit.flush();
  }

  /** Events of as many sources, each with these numbers. */
  async function makeUp(count: number, sequences: readonly number[]): Promise<void> {
    const events = Array.from({ length: count }, () => createEventId(Date.now())).flatMap((source) =>
      sequences.map((sequence) => numbered(source, sequence)),
    );
    await insertRows(
      log.attacker,
      'audit_events',
      events.map((event) => rowOf(event)),
    );
  }

  it('cost the sealer, sources() and verify() a few statements for many sources', async () => {
    const { audit } = await start();
    await record({ audit } as LedgerApp, 5);
    await makeUp(COUNT, [2]);
    const sealing = await statements.during(async () =>
      expect(await audit.checkpoint()).toMatchObject({ treeSize: 5 }),
    );
    const listing = await statements.during(async () =>
      expect(await audit.sources()).toHaveLength(COUNT + 1),
    );
    const verifying = await statements.during(async () =>
      expect(await audit.verify()).toMatchObject({ treeSize: 5, pending: COUNT }),
    );
    for (const { count } of [sealing, listing, verifying]) expect(count).toBeLessThan(COUNT / 10);
    // SQLite answers at once: so long nobody else in the process has a turn.
    if (name === 'sqlite') expect(sealing.most).toBeLessThan(50);
  }, 300_000);

  it('hold up no process: what it records is sealed while they wait', async () => {
    await makeUp(FEWER, [2]);
    const [sealer, other] = [await start({ intervalMs: 20 }), await start({ seal: false }, '-other')];
    for (let round = 1; round <= 3; round += 1) {
      await record(sealer, 4);
      await record(other, 4);
      await eventually(async () =>
        expect((await store.connection.query('SELECT leaf_index FROM audit_leaves')).length).toBe(round * 8),
      );
    }
    expect((await sealer.audit.find({ allTenants: true, action: 'audit.gap' })).events).toEqual([]);
  }, 300_000);

  it('are no record of a loss, but are told of until they are deleted', async () => {
    const { audit } = await start();
    await record({ audit } as LedgerApp, 5);
    await makeUp(50, [1, 3]);
    // Their first number looks genuine.
    expect(await audit.checkpoint()).toMatchObject({ treeSize: 55 });
    expect((await audit.find({ allTenants: true, action: 'audit.gap' })).events).toEqual([]);
    const { problems, pending } = await audit.verify();
    expect(pending).toBe(50);
    expect(problems).toHaveLength(50);
    for (const problem of problems) expect(problem).toMatchObject({ code: 'sequence_gap', sequence: 2 });
    await log.remove('audit_events', "sequence = 3 AND tenant_id = 'acme'");
    expect(await audit.verify()).toMatchObject({ ok: true, events: 55, pending: 0 });
  });

  it('with numbers that are none are not sealed, and stop nothing', async () => {
    const [sealer, other] = [await start(), await start({ seal: false }, '-other')];
    await record(sealer, 2);
    await record(other, 2);
    const source = (await other.audit.find({ allTenants: true, limit: 1 })).events[0]!.metadata['source'];
    const ids: string[] = [];
    for (const sequence of ['9223372036854775807', '9007199254740992', '-3', '0']) {
      const forged = numbered(String(source), 1);
      ids.push(forged.id);
      await insertRow(log.attacker, 'audit_events', rowOf(forged, { sequence }));
    }
    expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: 4 });
    await record(other, 2);
    expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: 6 });
    const { problems } = await sealer.audit.verify();
    expect(problems.map(({ code }) => code)).toEqual(ids.map(() => 'event_inserted'));
    expect(problems.map(({ eventId }) => eventId).sort()).toEqual(ids.sort());
  });
});
