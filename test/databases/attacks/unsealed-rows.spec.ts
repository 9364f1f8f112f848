// Somebody changes an event after it is stored and before it is sealed: the process that stored it seals it as it was sent.
import 'reflect-metadata';
import { generateKeys } from '../../../src/ledger/index.js';
import { describeEachDatabase } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';
import { AS_A_TOOL, RawTables, startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';

const keys = generateKeys('audit.example');

describeEachDatabase('an event that is not sealed yet', (create) => {
  let database: TestDatabase;
  let raw: RawTables;
  const apps: LedgerApp[] = [];

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await raw.close();
    await database.drop();
  });

  async function start(delivery: typeof AS_A_TOOL | undefined): Promise<LedgerApp> {
    const app = await startLedgerApp(database, {
      ledger: { signingKey: keys.signerKey },
      ...(delivery && { delivery }),
    });
    apps.push(app);
    raw = await RawTables.open(database);
    return app;
  }

  it.each([
    ['in its thread', undefined],
    ['in the main thread', AS_A_TOOL],
  ])('is found changed where it was changed in between, sealed %s', async (_, delivery) => {
    const { audit } = await start(delivery);
    const [first, second] = [
      await audit.record({ action: 'invoice.approve', userId: 'ann', details: { amount: 10 } }),
      await audit.record({ action: 'invoice.approve', userId: 'ben', details: { amount: 20 } }),
    ];
    await audit.flush();
    await raw.query(`UPDATE ${raw.q('audit_events')} SET user_id = 'eve' WHERE user_id = 'ann'`);
    const { treeSize } = await audit.checkpoint();
    expect(treeSize).toBe(2);

    const { problems } = await audit.verify();
    expect(problems).toMatchObject([{ code: 'event_changed', eventId: first.id, leafIndex: 0 }]);
    await expect(audit.prove(second.id)).resolves.toMatchObject({ event: { userId: 'ben' } });
    await expect(audit.prove(first.id)).rejects.toMatchObject({ code: 'AUDIT_LEDGER_BROKEN' });
  });

  it('is found changed where it is no event any more', async () => {
    const { audit } = await start(undefined);
    const { id } = await audit.record({ action: 'invoice.approve', userId: 'ann' });
    await audit.flush();
    await raw.query(
      `UPDATE ${raw.q('audit_events')} SET metadata = '{"source":"another"}' WHERE user_id = 'ann'`,
    );
    await audit.checkpoint();
    const { problems } = await audit.verify();
    expect(problems[0]).toMatchObject({ code: 'event_changed', eventId: id });
  });
});
