import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { KEEPINGS, RunningApp } from '../running-app.js';
import { assertSame } from './assert-same.js';
import type { Scenario } from './scenario.js';

const event = { action: 'invoice.pay', tenantId: 'acme' };

/** Events that the application records itself, within and beside its transactions. */
export const recordingScenarios: readonly Scenario[] = [
  ...KEEPINGS.map((keeping) => ({
    name: `${keeping}: an event of the application's own, in the name that runAs() gives`,
    run: () =>
      RunningApp.use({ keeping }, async (app) => {
        const actor = { userId: 'night', actorType: 'job' };
        const recorded = await app.audit.runAs(actor, () => app.audit.record(event));
        assert.equal(recorded.userId, 'night');
        await app.audit.flush();
        assertSame(await app.audit.findById(recorded.id, { tenantId: 'acme' }), recorded);
      }),
  })),
  {
    name: 'shared data source: an event recorded with a manager is rolled back and committed with it',
    run: () =>
      RunningApp.use({ keeping: 'shared data source' }, async (app) => {
        const source = app.app.get(DataSource);
        const pay = (fails: boolean) =>
          source.transaction(async (manager) => {
            await app.audit.record(event, { manager });
            if (fails) throw new Error('the payment failed');
          });
        await assert.rejects(pay(true), /the payment failed/);
        assertSame((await app.audit.find({ tenantId: 'acme' })).events, []);
        await pay(false);
        const { events } = await app.audit.find({ tenantId: 'acme' });
        assertSame(
          events.map(({ action }) => action),
          ['invoice.pay'],
        );
      }),
  },
  {
    name: "shared data source: an event beside an open transaction outlives the transaction's rollback",
    run: () =>
      RunningApp.use({ keeping: 'shared data source', delivery: { flushIntervalMs: 10 } }, async (app) => {
        const source = app.app.get(DataSource);
        const pay = source.transaction(async () => {
          await app.audit.record(event);
          // Long enough for the event's batch to be written, which on SQLite has no connection but this one.
          await delay(250);
          throw new Error('the payment failed');
        });
        await assert.rejects(pay, /the payment failed/);
        await app.audit.flush();
        assert.equal((await app.audit.find({ tenantId: 'acme' })).events.length, 1);
      }),
  },
];
