// Whoever may INSERT into audit_events: events of thousands of sources that never were keep nobody waiting, neither the sealer nor
// the process that it runs in, and leave no record of a loss in the log.
import 'reflect-metadata';
import type { AuditDatabaseOptions } from 'nest-audit-trail';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys } from '../../../src/ledger/index.js';
import { AttackedDatabase } from '../../support/attacked-database.js';
import { numbered } from '../../support/audit-store.js';
import { as, insertRow, insertRows, rowOf } from '../../support/event-rows.js';
import { eventually } from '../../support/eventually.js';
import { startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { describeEachDatabase, withoutThread } from '../../support/harness/databases.js';

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

/** More than the sealer looks at in one turn. */
const COUNT = 2_000;
/** Ids of then sort before all genuine ones. */
const LONG_AGO = 1_600_000_000_000;

describeEachDatabase('events of made-up sources', (create, name) => {
  withoutThread('the options of its database hold a logger');
  let log: AttackedDatabase;
  let sealer: LedgerApp;
  let other: LedgerApp;
  /** Of the log before the test, in leaves. */
  let size: number;
  const statements = new Statements();

  beforeAll(async () => {
    log = await AttackedDatabase.of(await create());
    sealer = await start();
    other = await start({ seal: false }, '-other');
    await record(sealer, 2);
    await record(other, 2);
  });
  beforeEach(async () => {
    ({ treeSize: size } = await sealer.audit.checkpoint());
  });
  // The log of the two processes alone is sound.
  afterEach(async () => {
    await log.remove('audit_events', 'id NOT IN (SELECT event_id FROM audit_leaves)');
    expect(await sealer.audit.verify()).toMatchObject({ ok: true, pending: 0 });
  });
  afterAll(() => log.close());

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

  const gaps = async () => (await sealer.audit.find({ allTenants: true, action: 'audit.gap' })).events;

  /** Events of as many sources, each with these numbers. */
  async function makeUp(count: number, sequences: readonly number[]): Promise<void> {
    const events = Array.from({ length: count }, () => createEventId(LONG_AGO)).flatMap((source) =>
      sequences.map((sequence) => numbered(source, sequence)),
    );
    await insertRows(
      log.attacker,
      'audit_events',
      events.map((event) => rowOf(event)),
    );
  }

  it('cost the sealer, sources() and verify() a few statements for many sources', async () => {
    const { audit } = sealer;
    const { length } = await audit.sources();
    await makeUp(COUNT, [2]);
    const sealing = await statements.during(async () =>
      expect(await audit.checkpoint()).toMatchObject({ treeSize: size }),
    );
    const listing = await statements.during(async () =>
      expect(await audit.sources()).toHaveLength(COUNT + length),
    );
    const verifying = await statements.during(async () =>
      expect(await audit.verify()).toMatchObject({ treeSize: size, pending: COUNT }),
    );
    for (const { count } of [sealing, listing, verifying]) expect(count).toBeLessThan(COUNT / 10);
    // SQLite answers at once: so long nobody else in the process has a turn.
    if (name === 'sqlite') expect(sealing.most).toBeLessThan(50);
  });

  it('hold up no process: what it records is sealed while they wait', async () => {
    await makeUp(COUNT, [2]);
    for (let round = 1; round <= 3; round += 1) {
      await record(sealer, 4);
      await record(other, 4);
      await eventually(async () =>
        expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size + round * 8 }),
      );
    }
    expect(await gaps()).toEqual([]);
  });

  it('are no record of a loss, but are told of until they are deleted', async () => {
    const { audit } = sealer;
    await makeUp(50, [1, 3]);
    // Their first number looks genuine.
    expect(await audit.checkpoint()).toMatchObject({ treeSize: size + 50 });
    expect(await gaps()).toEqual([]);
    const { problems, pending } = await audit.verify();
    expect(pending).toBe(50);
    expect(problems).toHaveLength(50);
    for (const problem of problems) expect(problem).toMatchObject({ code: 'sequence_gap', sequence: 2 });
    await log.remove('audit_events', "sequence = 3 AND tenant_id = 'acme'");
    expect(await audit.verify()).toMatchObject({ ok: true, events: size + 50, pending: 0 });
  });

  it('with numbers that are none are not sealed, and stop nothing', async () => {
    const source = (await other.audit.record({ action: 'thing.create' })).metadata['source'];
    await other.audit.flush();
    const ids: string[] = [];
    for (const sequence of ['9223372036854775807', '9007199254740992', '-3', '0']) {
      const forged = numbered(String(source), 1);
      ids.push(forged.id);
      await insertRow(log.attacker, 'audit_events', rowOf(forged, { sequence }));
    }
    expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size + 1 });
    await record(other, 2);
    expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size + 3 });
    const { problems } = await sealer.audit.verify();
    expect(problems.map(({ code }) => code)).toEqual(ids.map(() => 'event_inserted'));
    expect(problems.map(({ eventId }) => eventId).sort()).toEqual(ids.sort());
  });
});
