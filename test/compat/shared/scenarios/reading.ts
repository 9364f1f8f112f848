import assert from 'node:assert/strict';
import { AuditError } from 'nest-audit-trail';
import type { AuditPage } from 'nest-audit-trail';
import { KEEPINGS, RunningApp } from '../running-app.js';
import { assertSame } from './assert-same.js';
import type { Scenario } from './scenario.js';

/** What was recorded can be found, counted, and read over HTTP by its own tenant only. */
export const readingScenarios: readonly Scenario[] = KEEPINGS.map((keeping) => ({
  name: `${keeping}: find, statistics and a query object in a controller`,
  run: () =>
    RunningApp.use({ keeping }, async (app) => {
      for (const amount of [1, 2, 3])
        await app.request('POST', '/invoices', { user: 'alice@acme', body: { amount } });
      await app.request('GET', '/invoices/none', { user: 'bob@acme' });
      await app.request('GET', '/invoices', { user: 'carol@globex' });
      await app.audit.flush();

      const page = await app.audit.find({ tenantId: 'acme', action: 'invoice.*', limit: 3, order: 'oldest' });
      assertSame(
        page.events.map(({ details }) => details['amount']),
        [1, 2, 3],
      );
      assert.ok(page.nextCursor);

      const statistics = await app.audit.statistics({ tenantId: 'acme' });
      assert.equal(statistics.total, 4);
      assertSame(statistics.byOutcome, { success: 3, failure: 1 });
      assertSame(statistics.topUsers, [
        { userId: 'alice', count: 3 },
        { userId: 'bob', count: 1 },
      ]);

      const own = await app.request('GET', '/audit-trail?userId=bob&limit=10', { user: 'alice@acme' });
      assert.equal(own.status, 200);
      const { events } = (await own.json()) as AuditPage;
      assertSame(
        events.map(({ action, userId }) => ({ action, userId })),
        [{ action: 'invoice.read', userId: 'bob' }],
      );
      const foreign = await app.request('GET', '/audit-trail?tenantId=acme', { user: 'carol@globex' });
      const seen = (await foreign.json()) as AuditPage;
      assertSame(
        seen.events.map(({ tenantId }) => tenantId),
        ['globex'],
      );
      const wrong = await app.request('GET', '/audit-trail?limit=none', { user: 'alice@acme' });
      assert.equal(wrong.status, 400);

      await assert.rejects(
        app.audit.find({} as never),
        (error) => error instanceof AuditError && error.code === 'AUDIT_INVALID_QUERY',
      );
    }),
}));
