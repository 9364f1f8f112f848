import assert from 'node:assert/strict';
import { KEEPINGS, RunningApp } from '../running-app.js';
import type { RunOptions } from '../running-app.js';
import { SlowReportController } from '../slow-report.controller.js';
import { assertSame } from './assert-same.js';
import type { Scenario } from './scenario.js';

// Longer than a test runs: what is stored was stored because the application closed.
const delivery = { flushIntervalMs: 60_000 };

const WAYS: readonly (RunOptions & { name: string })[] = KEEPINGS.flatMap((keeping) =>
  [false, true].map((auditFirst) => ({
    name: `${keeping}, ${auditFirst ? 'AuditModule' : 'TypeOrmModule'} first`,
    keeping,
    auditFirst,
    delivery,
  })),
);

/** `app.close()` stores what is in memory, and what becomes an event while it waits for the last requests. */
export const shutdownScenarios: readonly Scenario[] = WAYS.flatMap(({ name, ...options }) => [
  {
    name: `${name}: app.close() stores what was recorded`,
    run: () =>
      RunningApp.use(options, async (app) => {
        await app.request('GET', '/invoices', { user: 'alice@acme' });
        await app.audit.record({ action: 'invoice.pay' });
        await app.app.close();
        const actions = (await app.stored()).map(({ action }) => action);
        assertSame(actions.sort(), ['invoice.list', 'invoice.pay']);
      }),
  },
  {
    name: `${name}: app.close() stores the event of a request in flight`,
    run: () =>
      RunningApp.use(options, async (app) => {
        const slow = app.app.get(SlowReportController);
        const answer = app.request('GET', '/slow-reports', { user: 'alice@acme' });
        await slow.begun;
        const closed = app.app.close();
        setTimeout(slow.finish, 100);
        assert.equal((await answer).status, 200);
        await closed;
        assertSame(
          (await app.stored()).map(({ action, outcome }) => ({ action, outcome })),
          [{ action: 'slow-report.list', outcome: 'success' }],
        );
      }),
  },
]);
