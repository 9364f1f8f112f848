// Rules in a running application: who is told of what, and what remains of a change, whatever happens to its event.
import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditFeature, AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { complianceRules, ComplianceRules } from 'nest-audit-trail/rules';
import type { ComplianceHandler, ComplianceRule } from 'nest-audit-trail/rules';
import { AuditRuntime } from '../../src/engine/audit.runtime.js';
import { send } from '../support/http-client.js';
import { eventually } from '../support/eventually.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { startPolicyApp } from '../support/policy-app.js';
import type { PolicyApp } from '../support/policy-app.js';

const rule = (more: Partial<ComplianceRule> & Pick<ComplianceRule, 'id' | 'conditions'>): ComplianceRule => ({
  name: `The rule ${more.id}`,
  category: 'compliance',
  severity: 'high',
  ...more,
});

const WATCH = rule({
  id: 'watch-changes',
  conditions: { field: 'resource', operator: 'equals', value: 'compliance-rule' },
  actions: ['log', 'alert'],
});
const DELETION = rule({
  id: 'deletion',
  conditions: { field: 'action', operator: 'equals', value: 'invoice.delete' },
  actions: ['log', 'alert'],
});

describeOnSqlite('rules of a running application', (create) => {
  const apps: PolicyApp[] = [];
  /** The findings that the handler of alerts was told of, as `rule: action`. */
  let told: string[] = [];
  let database: TestDatabase;
  let store: RemovableDatabase | undefined;

  beforeEach(async () => {
    told = [];
    database = await create();
  });

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await store?.release();
    store = undefined;
    await database.drop();
  });

  async function start(
    rules: ComplianceRule[],
    more: AuditModuleOptions = {},
    alert: ComplianceHandler = ({ rule: { id }, event }) => void told.push(`${id}: ${event.action}`),
  ): Promise<PolicyApp & { readonly compliance: ComplianceRules }> {
    const app = await startPolicyApp({
      database: database.options,
      ...more,
      features: [complianceRules({ rules, handlers: { alert } }), ...(more.features ?? [])],
      delivery: { directory: `${database.journal}/${apps.length}`, ...more.delivery },
    });
    apps.push(app);
    return { ...app, compliance: app.app.get(ComplianceRules) };
  }

  const changesOf = (events: readonly AuditLogEvent[]) =>
    events.filter(({ resource }) => resource === 'compliance-rule');

  it('see who turns them off', async () => {
    const { compliance, events } = await start([WATCH, DELETION]);
    await compliance.enable('watch-changes', false);
    await compliance.enable('deletion', false);
    await compliance.set(WATCH);
    await compliance.remove('watch-changes');
    const flags = changesOf(await events()).map(({ complianceFlags }) => complianceFlags);
    expect(flags).toEqual([['watch-changes'], [], [], ['watch-changes']]);
    await eventually(() => expect(told).toHaveLength(2));
    expect(told).toEqual(['watch-changes: compliance-rule.update', 'watch-changes: compliance-rule.delete']);
  });

  it('are changed one after another', async () => {
    const { compliance, events } = await start([DELETION]);
    const names = ['one', 'two', 'three'];
    const changed = await Promise.all([
      ...names.map((name) => compliance.set({ ...DELETION, name })),
      compliance.set({ ...DELETION, name: ' ' }).catch(() => 'refused'),
      compliance.remove('deletion'),
      compliance.remove('deletion'),
      compliance.set(WATCH),
    ]);
    expect(changed.slice(3)).toMatchObject(['refused', true, false, { id: 'watch-changes' }]);
    expect(compliance.list().map(({ id }) => id)).toEqual(['watch-changes']);
    const steps = changesOf(await events()).map(({ details }) => [
      details['before.name'],
      details['after.name'],
    ]);
    expect(steps).toEqual([
      [DELETION.name, 'one'],
      ['one', 'two'],
      ['two', 'three'],
      ['three', undefined],
      [undefined, WATCH.name],
    ]);
  });

  it('say that a change did not hold whose event was late', async () => {
    store = await removable(database, true);
    const { audit, compliance, events } = await start([DELETION], {
      database: store.options,
      delivery: { mode: 'strict', strictTimeoutMs: 100, directory: database.journal },
    });
    await audit.flush();
    await store.remove();
    const before = compliance.list();
    await expect(compliance.enable('deletion', false)).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' });
    expect(compliance.list()).toBe(before);
    await store.restore();
    await eventually(() => audit.flush());
    const [changed, takenBack, ...more] = changesOf(await events());
    expect(changed).toMatchObject({ action: 'compliance-rule.update', outcome: 'success' });
    expect(takenBack).toMatchObject({
      action: 'compliance-rule.update',
      resourceId: 'deletion',
      outcome: 'failure',
      details: { eventId: changed!.id, reason: 'AUDIT_UNAVAILABLE' },
    });
    expect(more).toEqual([]);
  });

  it('call handlers for what they find themselves alone', async () => {
    const { audit, events } = await start([DELETION]);
    await audit.record({ action: 'invoice.read', complianceFlags: ['deletion'] });
    await audit.record({ action: 'invoice.delete', complianceFlags: ['deletion', 'own'] });
    expect((await events()).map(({ complianceFlags }) => complianceFlags)).toEqual([
      ['deletion'],
      ['deletion', 'own'],
    ]);
    await eventually(() => expect(told).toEqual(['deletion: invoice.delete']));
  });

  it('hear of what was dropped', async () => {
    store = await removable(database, true);
    const { audit, events } = await start(
      [
        rule({
          id: 'dropped',
          conditions: { field: 'action', operator: 'equals', value: 'audit.drop' },
          actions: ['alert'],
        }),
      ],
      { database: store.options, delivery: { mode: 'buffered', maxBuffered: 2 } },
    );
    await audit.flush();
    await store.remove();
    const heard: AuditLogEvent[] = [];
    audit.observe().subscribe((event) => heard.push(event));
    for (let number = 0; number < 4; number += 1)
      await audit.record({ action: 'own.read' }).catch(() => undefined);
    await store.restore();
    await eventually(() => expect(told).toEqual(['dropped: audit.drop']));
    const stored = await events();
    expect(stored.filter(({ action }) => action === 'audit.drop')).toEqual(
      heard.filter(({ action }) => action === 'audit.drop'),
    );
    expect(heard.at(-1)).toMatchObject({ complianceFlags: ['dropped'], details: { dropped: 2 } });
  });

  it('hear of requests that a dead process leaves', async () => {
    const interrupted = rule({
      id: 'interrupted',
      conditions: { field: 'metadata.interrupted', operator: 'equals', value: true },
      actions: ['alert'],
    });
    const { port, gate } = await start([]);
    const answer = send(port, { method: 'POST', path: '/payments/slow/P-7' });
    await gate.begun;
    // As it is on the disk should the process end now.
    const left = `${database.journal}/left`;
    await cp(`${database.journal}/0`, left, { recursive: true });
    for (const name of await readdir(left))
      if (!name.endsWith('.journal')) await rm(join(left, name), { recursive: true });
    const next = await start([interrupted], { delivery: { directory: left } });
    await eventually(() => expect(told).toEqual(['interrupted: payment.slow']));
    // And whoever asks for what was found before they could listen, once.
    const heard: (AuditLogEvent | string)[] = [];
    const { listeners } = next.app.get(AuditRuntime).rooms;
    listeners.subscribe(() => heard.push('not asked for'));
    listeners.subscribe((event) => heard.push(event), true);
    listeners.subscribe(() => heard.push('a second time'), true);
    expect(heard).toEqual((await next.events()).filter(({ metadata }) => metadata['interrupted']));
    expect(heard).toHaveLength(1);
    gate.open();
    expect((await answer).status).toBe(201);
  });

  it('have their handlers called before the application has closed', async () => {
    const app = await start([DELETION]);
    await app.audit.record({ action: 'invoice.delete' });
    apps.length = 0;
    await app.close();
    expect(told).toEqual(['deletion: invoice.delete']);
  });

  it('have their handlers called for what other features record as they end', async () => {
    const last: AuditFeature = {
      name: 'last',
      run: ({ recorder }) => ({
        close: async () => void recorder.record({ action: 'invoice.delete' }),
      }),
    };
    const app = await start([DELETION], { features: [last] });
    apps.length = 0;
    await app.close();
    expect(told).toEqual(['deletion: invoice.delete']);
  });

  it('wait no longer for a handler than they may when the application closes', async () => {
    const never = () => new Promise<void>(() => undefined);
    const app = await start([DELETION], { delivery: { shutdownTimeoutMs: 400 } }, never);
    await app.audit.record({ action: 'invoice.delete' });
    apps.length = 0;
    await app.close();
    expect(app.audit.status().healthy).toBe(false);
  });
});
