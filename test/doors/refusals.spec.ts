// What a door refuses by compliance rules, on every platform.
import { policy } from 'nest-audit-trail/policy';
import { complianceRules } from 'nest-audit-trail/rules';
import type { ComplianceRule } from 'nest-audit-trail/rules';
import { dial } from '../support/http-client.js';
import { DOORS } from './doors.js';
import { send } from './send.js';
import { StartedDoor } from './started-door.js';

const BOB = { authorization: 'Bearer bob@acme' };

function rule(id: string, conditions: ComplianceRule['conditions']): ComplianceRule {
  return { id, name: id, category: 'compliance', severity: 'high', actions: ['block'], conditions };
}

const NO_DELETION = rule('no-deletion', {
  all: [
    { field: 'metadata.method', operator: 'equals', value: 'DELETE' },
    { field: 'metadata.path', operator: 'contains', value: '/invoices/' },
    { field: 'userId', operator: 'equals', value: 'ann' },
  ],
});
const SENT = rule('sent', {
  any: [
    { field: 'details.body.amount', operator: 'greater_than', value: 1_000 },
    { field: 'details.body.payee.country', operator: 'equals', value: 'XX' },
    { field: 'details.query.mode', operator: 'contains', value: 'forced' },
  ],
});
const NO_THING = rule('no-thing', {
  all: [
    { field: 'metadata.method', operator: 'equals', value: 'GET' },
    { field: 'resourceId', operator: 'equals', value: 'forbidden' },
  ],
});

describe.each(DOORS)('%s', (_name, door) => {
  const tested = new StartedDoor(door);

  it('refuses what a compliance rule blocks, which is an event', async () => {
    await tested.start({ features: [complianceRules({ rules: [NO_DELETION] })] });
    expect((await tested.ask('DELETE', '/invoices/7')).status).toBe(403);
    expect(
      (await send(tested.running.url, { method: 'DELETE', path: '/invoices/7', headers: BOB })).status,
    ).toBe(204);
    const [refused, done] = await tested.events(2);
    expect(refused).toMatchObject({
      userId: 'ann',
      outcome: 'failure',
      category: 'authorization',
      complianceFlags: ['no-deletion'],
      metadata: { statusCode: 403, stage: 'compliance', blockedBy: 'no-deletion' },
    });
    expect(done).toMatchObject({ userId: 'bob', outcome: 'success', complianceFlags: [] });
  });

  it('refuses by what was sent, however it was sent, and by the id of the route', async () => {
    const { handled } = await tested.start({ features: [complianceRules({ rules: [SENT, NO_THING] })] });
    for (const [path, body] of [
      ['/things/1', '{"amount":5000}'],
      ['/things/1', '{"amount":" 5e3"}'],
      ['/things/1', '{"payee":{"country":"XX"}}'],
      ['/things/1?mode=quiet&mode=forced', '{}'],
      ['/things/1?%6dode=forced', '{}'],
    ] as const) {
      expect([path, body, (await tested.ask('POST', path, body)).status]).toEqual([path, body, 403]);
    }
    for (const method of ['GET', 'HEAD'])
      expect((await tested.ask(method, '/things/forbidden')).status).toBe(403);
    expect(handled).toEqual([]);
    expect((await tested.ask('POST', '/things/1', '{"amount":1000}')).status).toBe(200);
    expect((await tested.ask('GET', '/things/2')).status).toBe(200);
    expect(handled).toEqual(['1', '2']);
    expect((await tested.events(9)).map(({ outcome }) => outcome)).toEqual([
      ...Array.from({ length: 7 }, () => 'failure'),
      'success',
      'success',
    ]);
  });

  it('refuses also where the client goes away while a guard waits', async () => {
    const { handled, gate, url } = await tested.start({ features: [complianceRules({ rules: [SENT] })] });
    const socket = await dial(Number(new URL(url).port));
    const path = '/things/left?mode=forced';
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nx-wait: yes\r\ncontent-length: 0\r\n\r\n`);
    await gate.begun;
    socket.destroy();
    await tested.events(1);
    gate.open();
    expect((await tested.ask('POST', '/things/1')).status).toBe(200);
    expect(handled).toEqual(['1']);
    const [left, ...others] = await tested.events(3);
    expect(left).toMatchObject({ outcome: 'partial', complianceFlags: [], metadata: { aborted: true } });
    expect(others.find(({ action }) => action === 'audit.amend')).toMatchObject({
      outcome: 'failure',
      complianceFlags: ['sent'],
      details: { eventId: left!.id, blockedBy: 'sent', statusCode: 403, aborted: true },
    });
  });

  it('refuses above a policy that silences, but not where the route is left out', async () => {
    const all = rule('all', { field: 'metadata.path', operator: 'contains', value: '/' });
    const { handled } = await tested.start({
      features: [complianceRules({ rules: [all] }), policy([{ level: 'none' }])],
    });
    expect((await tested.ask('POST', '/things/1')).status).toBe(403);
    expect((await tested.ask('POST', '/things/silent/2')).status).toBe(200);
    expect(handled).toEqual(['2']);
    expect(await tested.events(1)).toMatchObject([{ complianceFlags: ['all'] }]);
  });

  it('judges routes that are not recorded', async () => {
    await tested.start({
      capture: { requests: 'annotated' },
      features: [complianceRules({ rules: [SENT] })],
    });
    expect((await tested.ask('GET', '/things/1?mode=forced')).status).toBe(403);
    expect(await tested.events(1)).toMatchObject([{ metadata: { blockedBy: 'sent' } }]);
  });
});
