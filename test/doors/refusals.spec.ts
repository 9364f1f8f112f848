// What a door refuses and what it keeps waiting, on every platform: compliance rules that block, and strict delivery.
import { once } from 'node:events';
import type { AuditLogEvent, AuditModuleOptions, DeliveryOptions } from 'nest-audit-trail';
import { policy } from 'nest-audit-trail/policy';
import { complianceRules } from 'nest-audit-trail/rules';
import type { ComplianceRule } from 'nest-audit-trail/rules';
import { createDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { dial } from '../support/http-client.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { ANN } from './cases.js';
import type { RunningDoor } from './door.js';
import { DOORS } from './doors.js';
import { send } from './send.js';
import type { Answer } from './send.js';

const BOB = { authorization: 'Bearer bob@acme' };
/** For what is to run into the timeout. */
const IMPATIENT = { strictTimeoutMs: 2_000 };
const WAIT = { timeout: 10_000, interval: 10 };

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
  let database: TestDatabase;
  let store: RemovableDatabase | undefined;
  let running: RunningDoor;

  beforeEach(async () => {
    database = await createDatabase('sqlite');
  });
  afterEach(async () => {
    await running.close();
    await store?.release();
    store = undefined;
    await database.drop();
  });

  async function start(options: AuditModuleOptions = {}): Promise<RunningDoor> {
    const delivery = { directory: database.journal, ...options.delivery };
    running = await door.start({ database: database.options, ...options, delivery });
    return running;
  }

  /** With a database that can be taken away. */
  async function startStrict(delivery: DeliveryOptions = {}, isPresent = true): Promise<RunningDoor> {
    store = await removable(database, isPresent);
    const strict = { mode: 'strict', shutdownTimeoutMs: 100 } as const;
    return start({ database: store.options, delivery: { ...strict, ...delivery } });
  }

  const ask = (method: string, path: string, body?: string): Promise<Answer> =>
    send(running.url, {
      method,
      path,
      headers: { ...ANN, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body }),
    });

  async function events(count: number): Promise<AuditLogEvent[]> {
    await vi.waitUntil(async () => (await running.events()).length >= count, WAIT);
    const all = await running.events();
    expect(all).toHaveLength(count);
    return all;
  }

  it('refuses what a compliance rule blocks, which is an event', async () => {
    await start({ features: [complianceRules({ rules: [NO_DELETION] })] });
    expect((await ask('DELETE', '/invoices/7')).status).toBe(403);
    expect((await send(running.url, { method: 'DELETE', path: '/invoices/7', headers: BOB })).status).toBe(
      204,
    );
    const [refused, done] = await events(2);
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
    const { handled } = await start({ features: [complianceRules({ rules: [SENT, NO_THING] })] });
    for (const [path, body] of [
      ['/things/1', '{"amount":5000}'],
      ['/things/1', '{"amount":" 5e3"}'],
      ['/things/1', '{"payee":{"country":"XX"}}'],
      ['/things/1?mode=quiet&mode=forced', '{}'],
      ['/things/1?%6dode=forced', '{}'],
    ] as const) {
      expect([path, body, (await ask('POST', path, body)).status]).toEqual([path, body, 403]);
    }
    for (const method of ['GET', 'HEAD']) expect((await ask(method, '/things/forbidden')).status).toBe(403);
    expect(handled).toEqual([]);
    expect((await ask('POST', '/things/1', '{"amount":1000}')).status).toBe(200);
    expect((await ask('GET', '/things/2')).status).toBe(200);
    expect(handled).toEqual(['1', '2']);
    expect((await events(9)).map(({ outcome }) => outcome)).toEqual([
      ...Array.from({ length: 7 }, () => 'failure'),
      'success',
      'success',
    ]);
  });

  it('refuses also where the client goes away while a guard waits', async () => {
    const { handled, gate, url } = await start({ features: [complianceRules({ rules: [SENT] })] });
    const socket = await dial(Number(new URL(url).port));
    const path = '/things/left?mode=forced';
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nx-wait: yes\r\ncontent-length: 0\r\n\r\n`);
    await gate.begun;
    socket.destroy();
    await events(1);
    gate.open();
    expect((await ask('POST', '/things/1')).status).toBe(200);
    expect(handled).toEqual(['1']);
    const [left, ...others] = await events(3);
    expect(left).toMatchObject({ outcome: 'partial', complianceFlags: [], metadata: { aborted: true } });
    expect(others.find(({ action }) => action === 'audit.amend')).toMatchObject({
      outcome: 'failure',
      complianceFlags: ['sent'],
      details: { eventId: left!.id, blockedBy: 'sent', statusCode: 403, aborted: true },
    });
  });

  it('refuses above a policy that silences, but not where the route is left out', async () => {
    const all = rule('all', { field: 'metadata.path', operator: 'contains', value: '/' });
    const { handled } = await start({
      features: [complianceRules({ rules: [all] }), policy([{ level: 'none' }])],
    });
    expect((await ask('POST', '/things/1')).status).toBe(403);
    expect((await ask('POST', '/things/silent/2')).status).toBe(200);
    expect(handled).toEqual(['2']);
    expect(await events(1)).toMatchObject([{ complianceFlags: ['all'] }]);
  });

  it('judges routes that are not recorded', async () => {
    await start({
      capture: { requests: 'annotated' },
      features: [complianceRules({ rules: [SENT] })],
    });
    expect((await ask('GET', '/things/1?mode=forced')).status).toBe(403);
    expect(await events(1)).toMatchObject([{ metadata: { blockedBy: 'sent' } }]);
  });

  it('answers a strict request once its event is committed', async () => {
    const { audit } = await startStrict({ flushIntervalMs: 60_000 });
    for (const id of ['a', 'b', 'c']) {
      expect(await ask('POST', `/things/${id}`)).toMatchObject({ status: 200, body: `{"id":"${id}"}` });
      const found = await audit!.find({ allTenants: true, resourceId: id });
      expect(found.events).toMatchObject([{ outcome: 'success', metadata: { statusCode: 200 } }]);
    }
  });

  it('refuses a strict request before its handler while there is no database, and records that', async () => {
    const { handled } = await startStrict(IMPATIENT, false);
    const answer = await ask('POST', '/things/refused');
    expect(answer.status).toBe(503);
    expect(answer.body).not.toContain('carriedOut":true');
    expect(handled).toEqual([]);
    await store!.restore();
    await vi.waitUntil(async () => (await ask('POST', '/things/served')).status === 200, WAIT);
    const found = await running.audit!.find({ allTenants: true, resourceId: 'refused' });
    expect(found.events).toMatchObject([
      { action: 'thing.post', outcome: 'failure', metadata: { statusCode: 503, stage: 'guard' } },
    ]);
  });

  it('goes route by route', async () => {
    const { handled } = await startStrict({ mode: 'durable', ...IMPATIENT }, false);
    expect((await ask('POST', '/things/strict/1')).status).toBe(503);
    expect((await ask('POST', '/things/2')).status).toBe(200);
    expect(handled).toEqual(['2']);
  });

  it('withholds an answer whose event is not committed in time, and tells by another event', async () => {
    const { gate } = await startStrict(IMPATIENT);
    const answer = ask('GET', '/things/headed');
    await gate.begun;
    await store!.remove();
    gate.open();
    const { status, headers, body } = await answer;
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ code: 'AUDIT_UNAVAILABLE', carriedOut: true });
    for (const name of ['etag', 'set-cookie', 'x-app']) expect(headers).not.toHaveProperty(name);
    await store!.restore();
    const [event, amended] = await events(2);
    expect(event).toMatchObject({ action: 'thing.headed', outcome: 'success' });
    expect(amended).toMatchObject({
      action: 'audit.amend',
      outcome: 'partial',
      details: { eventId: event!.id, statusCode: 503, withheld: true },
    });
  });

  it('breaks off a strict answer that had begun', async () => {
    const { gate, url } = await startStrict(IMPATIENT);
    const socket = await dial(Number(new URL(url).port));
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.write('GET /raw/streamed HTTP/1.1\r\nHost: x\r\n\r\n');
    await gate.begun;
    await store!.remove();
    gate.open();
    await once(socket, 'close');
    expect(received).toContain('first ');
    expect(received).not.toContain('last');
  });

  it('lets nobody change a strict answer that waits, and leaves one that is none to its handler', async () => {
    await startStrict();
    const stubborn = await ask('GET', '/raw/stubborn');
    expect(stubborn).toMatchObject({ status: 201, body: 'first' });
    expect(stubborn.headers).not.toHaveProperty('x-late');
    expect(await ask('GET', '/raw/object')).toMatchObject({ status: 500, body: 'caught' });
    expect((await events(2)).map(({ metadata, outcome }) => [metadata['statusCode'], outcome])).toEqual([
      [201, 'success'],
      [500, 'failure'],
    ]);
  });

  describe('where there is no room for more events', () => {
    const full = (overflow: 'drop' | 'reject' | 'wait') =>
      startStrict({ mode: 'buffered', maxBuffered: 1, overflow, overflowTimeoutMs: 60_000 }, false);

    it('drops and counts', async () => {
      const { audit } = await full('drop');
      await audit!.record({ action: 'thing.fill' });
      expect((await ask('POST', '/things/1')).status).toBe(200);
      expect(audit!.status()).toMatchObject({ pending: 1, dropped: 1 });
    });

    it('refuses before the handler', async () => {
      const { audit, handled } = await full('reject');
      await audit!.record({ action: 'thing.fill' });
      expect((await ask('POST', '/things/1')).status).toBe(503);
      expect(handled).toEqual([]);
    });

    it('waits with the answer', async () => {
      const { audit, gate, url } = await full('wait');
      await audit!.record({ action: 'thing.fill' });
      const socket = await dial(Number(new URL(url).port));
      const answered = once(socket, 'data');
      socket.write('GET /things/1 HTTP/1.1\r\nHost: x\r\nx-wait: yes\r\nConnection: close\r\n\r\n');
      await gate.begun;
      gate.open();
      await vi.waitUntil(() => running.handled.length === 1, WAIT);
      expect(socket.bytesRead).toBe(0);
      await store!.restore();
      expect(String(((await answered) as [Buffer])[0])).toContain('200 OK');
      expect((await events(2)).map(({ action }) => action)).toEqual(['thing.fill', 'thing.read']);
    });
  });
});
