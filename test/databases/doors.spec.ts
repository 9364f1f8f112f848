// Each door with each database: what one request leaves there.
import { describeEachDatabase } from '../support/harness/databases.js';
import { DOORS } from '../doors/doors.js';
import { send } from '../doors/send.js';

describeEachDatabase('a request', (create) => {
  it.each(DOORS)('by %s is committed before its answer', async (_name, door) => {
    const database = await create();
    const running = await door.start({
      database: database.options,
      delivery: { mode: 'strict', directory: database.journal },
    });
    const headers = { authorization: 'Bearer ann@acme' };
    const answer = await send(running.url, { method: 'POST', path: '/invoices/7/approve', headers });
    expect(answer).toMatchObject({ status: 200, body: '{"approved":true}' });
    expect(await running.events()).toMatchObject([
      {
        userId: 'ann',
        tenantId: 'acme',
        action: 'invoice.approve',
        resourceId: '7',
        details: { amount: 12 },
      },
    ]);
    await running.close();
  });
});
