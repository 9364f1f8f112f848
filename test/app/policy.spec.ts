// Policies through the door: real requests on every database, all four levels, and the ways to get around them.
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { policy } from 'nest-audit-trail/policy';
import type { PolicyOptions } from 'nest-audit-trail/policy';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crash } from '../support/crashed-journal.js';
import { eventually } from '../support/eventually.js';
import { dial, send } from '../support/http-client.js';
import { createDatabase, describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { startPolicyApp } from '../support/policy-app.js';
import type { PolicyApp } from '../support/policy-app.js';
import { as } from '../support/user-header.js';

describeOnSqlite('a policy', (create) => {
  let database: TestDatabase;
  const apps: PolicyApp[] = [];

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    for (const when of ['begun', 'ended']) await rm(after(when), { recursive: true, force: true });
    await database.drop();
  });

  /** The journal that a crash then would leave. */
  const after = (when: string) => `${database.journal}-${when}`;

  async function start(rules: PolicyOptions, more: AuditModuleOptions = {}): Promise<PolicyApp> {
    const app = await startPolicyApp({
      database: database.options,
      ...more,
      delivery: { directory: database.journal, shutdownTimeoutMs: 2_000, ...more.delivery },
      features: [policy(rules)],
    });
    apps.push(app);
    return app;
  }

  const named = ({ action, outcome, metadata }: AuditLogEvent) => [action, outcome, metadata['statusCode']];

  it('records as much as each level says', async () => {
    const app = await start(
      [
        { level: 'none', match: { path: '/health' } },
        { level: 'metadata', match: { path: '/payments', method: 'POST', user: 'quiet' } },
        { level: 'request', match: { path: '/payments', method: 'POST' } },
        { level: 'response', match: { route: '/payments/:id' }, response: ['amount', 'payee.name'] },
        { level: 'response', match: { controller: 'AnswersController' } },
      ],
      { capture: { body: true, query: true } },
    );
    const pay = (user: string) =>
      send(app.port, {
        method: 'POST',
        path: '/payments?from=web&token=t',
        body: JSON.stringify({ amount: 5, pin: '1234' }),
        headers: as({ id: user }),
      });
    expect((await send(app.port, { path: '/health' })).status).toBe(200);
    await pay('quiet');
    await pay('loud');
    await send(app.port, { path: '/payments/P-1' });
    await send(app.port, { path: '/answers/entity' });
    // No rule: as the options say.
    await send(app.port, { path: '/payments?page=2' });
    const events = await app.events();
    expect(events.map(({ details }) => details)).toEqual([
      // The application's own words, and nothing of the request's.
      { approver: 'ann', note: 'annotated' },
      {
        approver: 'ann',
        note: 'annotated',
        'body.amount': 5,
        'query.from': 'web',
        'query.token': '[redacted]',
      },
      { 'response.amount': 10, 'response.payee.name': 'Zoë' },
      {
        'response.id': 'A-1',
        'response.owner': 'ann',
        'response.balance': 1_200,
        'response.apiKey': '[redacted]',
      },
      { 'query.page': '2' },
    ]);
    expect(events.map(({ resourceId }) => resourceId)).toEqual(['P-3', 'P-3', 'P-1', 'A-1', undefined]);
  });

  it('leaves no trace of a request that ended as a rule silences, also after a crash', async () => {
    const silent: PolicyOptions = [
      { level: 'none', match: { path: ['/payments/slow/*', '/payments'], status: '2xx' } },
    ];
    const app = await start(silent, { delivery: { flushIntervalMs: 60_000 } });
    const answer = send(app.port, { method: 'POST', path: '/payments/slow/ended' });
    await eventually(() => expect(app.handled).toEqual(['ended']));
    // While nobody knows how it ends, it may still become an event.
    await crash(database.journal, after('begun'));
    app.gate.open();
    expect((await answer).status).toBe(201);
    await send(app.port, { method: 'POST', path: '/payments' });
    await send(app.port, { method: 'POST', path: '/payments/failing' });
    await crash(database.journal, after('ended'));

    const ended = await start(silent, { delivery: { directory: after('ended') } });
    await eventually(async () =>
      expect((await ended.events()).map(named)).toEqual([['payment.failing', 'failure', 500]]),
    );
    const begun = await start(silent, { delivery: { directory: after('begun') } });
    await eventually(async () =>
      expect((await begun.events()).map(named)).toContainEqual(['payment.slow', 'partial', undefined]),
    );
  });

  it('forgets a request that has begun once its user is known to be silenced', async () => {
    const app = await start([{ level: 'none', match: { user: 'robot' } }]);
    const call = { method: 'POST', path: '/payments/slow/robot' };
    const answer = send(app.port, { ...call, headers: as({ id: 'robot' }) });
    await eventually(() => expect(app.handled).toEqual(['robot']));
    await crash(database.journal, after('begun'));
    app.gate.open();
    await answer;
    const begun = await start([], { delivery: { directory: after('begun') } });
    await begun.audit.record({ action: 'thing.last' });
    expect((await begun.events()).map(({ action }) => action)).toEqual(['thing.last']);
  });

  it('knows who asks when it decides', async () => {
    const app = await start([
      { level: 'none', match: { role: 'probe' } },
      { level: 'none', match: { tenant: 'sandbox' } },
      { level: 'none', match: { tenant: 'default', path: '/answers/text' } },
      { level: 'none', match: { user: ['robot-1', 'robot-2'], method: 'GET' } },
    ]);
    const ask = (user: object, call: { path?: string; method?: string } = {}) =>
      send(app.port, { path: '/payments/P-1', ...call, headers: as(user) });
    await ask({ id: 'a', roles: ['probe', 'clerk'] });
    await ask({ id: 'b', roles: [{ name: 'probe' }] });
    await ask({ id: 'c', roles: 'probe' });
    await ask({ id: 'd', tenantId: 'sandbox' });
    await ask({ id: 'robot-2' });
    await ask({ id: 'z' }, { path: '/answers/text' });
    await ask({ id: 'robot-2' }, { path: '/payments/failing', method: 'POST' });
    await ask({ id: 'e', roles: ['clerk'], tenantId: 'acme' });
    // Logged in and out on the way.
    await ask({ id: 'f', roles: 'probe' }, { path: '/payments/end', method: 'POST' });
    await ask({}, { path: '/payments/login/g', method: 'POST' });
    // Another user does not have the roles of the one before.
    await ask({ id: 'h', roles: 'probe' }, { path: '/payments/become/i', method: 'POST' });
    const events = await app.events();
    expect(events.map(({ userId, metadata }) => [userId, metadata['roles']])).toEqual([
      ['robot-2', undefined],
      ['e', ['clerk']],
      ['i', undefined],
    ]);
  });
});

describe('a policy', () => {
  let database: TestDatabase;
  let app: PolicyApp | undefined;

  beforeEach(async () => {
    database = await createDatabase('sqlite');
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  async function start(
    rules: PolicyOptions,
    more: AuditModuleOptions = {},
    configure?: Parameters<typeof startPolicyApp>[1],
  ): Promise<PolicyApp> {
    const delivery = { directory: database.journal, ...more.delivery };
    app = await startPolicyApp(
      { database: database.options, ...more, delivery, features: [policy(rules)] },
      configure,
    );
    return app;
  }

  it('is read from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'audit-policy-'));
    try {
      const file = join(folder, 'policy.json');
      await writeFile(file, JSON.stringify({ rules: [{ level: 'none', match: { path: '/health' } }] }));
      const { port, events } = await start({ file });
      await send(port, { path: '/health' });
      await send(port, { path: '/payments' });
      expect((await events()).map(({ action }) => action)).toEqual(['payment.list']);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('that is wrong stops the start, with the rule and the field', async () => {
    await expect(start([{ id: 'odd', level: 'none', match: { status: '4x' } }])).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      field: 'policy[0].match.status',
      message: expect.stringContaining('(policy[0], "odd")'),
    });
    await expect(start('health' as never)).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      field: 'policy',
    });
  });

  it('records what the options leave out, and refuses nothing to @NoAudit()', async () => {
    const { port, events } = await start(
      [
        { level: 'response', match: { path: '/payments/*', method: 'GET' } },
        { level: 'metadata', match: { path: '/health/**' } },
        { level: 'metadata', match: { status: 404 } },
      ],
      { capture: { requests: 'annotated' } },
    );
    for (const path of ['/payments/P-1', '/payments', '/health', '/health/silent', '/nowhere/at/all']) {
      await send(port, { path });
    }
    const stored = await events();
    expect(stored.map(({ metadata }) => metadata['path'])).toEqual([
      '/payments/P-1',
      '/health',
      '/nowhere/at/all',
    ]);
    expect(stored[0]).toMatchObject({
      details: { 'response.id': 'P-1', 'response.payee.iban': '[redacted]' },
    });
  });

  it('records the body of a request that no route takes, or a guard refuses, where it asks for that', async () => {
    const { port, events } = await start([{ level: 'request' }]);
    const body = JSON.stringify({ drop: 'tables', password: 'x' });
    await send(port, { method: 'POST', path: '/no/where', body });
    await send(port, { method: 'POST', path: '/health', body, headers: { 'x-refuse': 'yes' } });
    expect((await events()).map(({ details, metadata }) => [metadata['statusCode'], details])).toEqual([
      [404, { 'body.drop': 'tables', 'body.password': '[redacted]' }],
      [403, { 'body.drop': 'tables', 'body.password': '[redacted]' }],
    ]);
  });

  it('records of an answer what is JSON, of a list each item, and of a failure nothing', async () => {
    const { port, events } = await start([
      { level: 'response', match: { path: '/payments' }, response: ['id', 'iban'] },
      { level: 'response' },
    ]);
    const paths = ['/payments', '/answers/text', '/answers/file', '/answers/bytes', '/answers/many'];
    for (const path of paths) expect((await send(port, { path })).status).toBe(200);
    await send(port, { method: 'POST', path: '/payments/failing' });
    await send(port, { path: '/answers/broken' });
    const [list, text, file, bytes, many, failing, broken] = (await events()).map(({ details }) => details);
    expect(list).toEqual({
      'response.0.id': 'P-1',
      'response.0.iban': '[redacted]',
      'response.1.id': 'P-2',
      'response.1.iban': '[redacted]',
    });
    expect(text).toEqual({ response: 'just text' });
    expect([file, bytes, failing, broken]).toEqual([{}, {}, {}, {}]);
    expect(many).toMatchObject({ 'response.0.id': 0, 'response.254.id': 254, '…': expect.any(String) });
  });

  it('says in metadata.roles what the user is, however the application keeps that', async () => {
    const { port, events } = await start([], {
      capture: {
        resolve: {
          roles: (request) => {
            const { roles } = (request['user'] ?? {}) as { roles?: string[] };
            if (roles?.includes('broken')) throw new Error('no roles today');
            return roles?.includes('odd') ? (7 as never) : roles;
          },
        },
      },
    });
    const many = Array.from({ length: 40 }, (_, index) => `role-${index}`);
    for (const roles of [['clerk', 'clerk', ''], many, [], ['broken'], ['odd']]) {
      await send(port, { path: '/payments', headers: as({ id: 'ann', roles }) });
    }
    expect((await events()).map(({ metadata }) => [metadata['roles'], metadata['stageErrors']])).toEqual([
      [['clerk'], undefined],
      [many.slice(0, 32), undefined],
      [undefined, undefined],
      [undefined, ['resolve.roles']],
      [undefined, ['resolve.roles']],
    ]);
  });

  it('takes a request that may still be recorded for one that is', async () => {
    const { port, gate, handled } = await start(
      [{ level: 'metadata', match: { path: '/payments/slow/*', status: '2xx' } }],
      { capture: { requests: 'annotated' } },
    );
    const answers = ['/payments/slow/1', '/health'].map((path) => send(port, { method: 'POST', path }));
    await eventually(() => expect(handled).toEqual(['1']));
    const other = await createDatabase('sqlite');
    await crash(database.journal, other.journal);
    gate.open();
    await Promise.all(answers);
    await app!.close();
    try {
      const { events } = await start([], { database: other.options, delivery: { directory: other.journal } });
      const found = await eventually(async () => {
        const all = await events();
        expect(all.length).toBeGreaterThan(0);
        return all;
      });
      expect(found.map(({ metadata }) => metadata['interrupted'])).toEqual([true]);
    } finally {
      await app?.close();
      app = undefined;
      await other.drop();
    }
  });

  it('refuses no strict request that it does not record', async () => {
    const { port, events } = await start(
      [
        { level: 'none', match: { path: '/health' } },
        { level: 'none', match: { path: '/payments', status: 200 } },
      ],
      { delivery: { mode: 'strict' } },
    );
    for (const path of ['/health', '/payments', '/payments/P-1']) {
      expect((await send(port, { path })).status).toBe(200);
    }
    expect((await events()).map(({ metadata }) => metadata['path'])).toEqual(['/payments/P-1']);
  });

  const HOSTILE: [spelling: string, target: string][] = [
    ['escapes', '/%68ealth'],
    ['another case', '/HEALTH'],
    ['a slash at its end', '/health/'],
    ['the absolute form', 'http://health/transfer'],
    ['a fragment', '/health#'],
    ['a fragment and a backslash', '/health\\#'],
    ['a semicolon', '/health;x'],
    ['dots', '/static/../transfer'],
    ['escaped dots', '/static/%2e%2e/transfer'],
    ['doubled slashes', '//transfer'],
    ['escapes that are none', '/%zz'],
  ];

  it.each([false, true])(
    'is not got around by how a path is spelled, routing with case %s',
    async (minding) => {
      const { port, events, handled } = await start(
        [{ level: 'none', match: { path: ['/', '/health', '/static/**'] } }],
        {},
        (express) => {
          express.set('case sensitive routing', minding);
          express.set('strict routing', minding);
        },
      );
      const statuses: string[] = [];
      for (const [, target] of HOSTILE) statuses.push(await sendRaw(port, `POST ${target} HTTP/1.1`));
      expect(statuses.filter((status) => !/^[245]\d\d$/.test(status))).toEqual([]);
      await sendRaw(port, 'POST /health HTTP/1.1');
      await sendRaw(port, 'POST /health?x=/transfer HTTP/1.1');
      await sendRaw(port, 'POST /static/transfer HTTP/1.1');
      const stored = await events();
      // Some of them do reach another handler than the rule means.
      expect(handled).toEqual(expect.arrayContaining(['health', 'transfer', ...(minding ? ['HEALTH'] : [])]));
      expect(stored).toHaveLength(HOSTILE.length);
    },
  );

  it('is not got around by how a path that it records is spelled', async () => {
    const { port, events } = await start([{ level: 'metadata', match: { path: '/health' } }], {
      capture: { requests: 'annotated' },
    });
    const spellings = ['/health', '/HEALTH', '/health/', '/health?x', '/health#x', 'http://h/health'];
    for (const target of spellings) {
      expect([target, await sendRaw(port, `GET ${target} HTTP/1.1`)]).toEqual([target, '200']);
    }
    expect(await sendRaw(port, 'HEAD /health HTTP/1.1')).toBe('200');
    expect(await events()).toHaveLength(spellings.length + 1);
  });
});

/** Sends the line as it is, which no client would. @returns the status */
async function sendRaw(port: number, line: string): Promise<string> {
  const socket = await dial(port);
  let received = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk));
  socket.end(`${line}\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, 'latin1');
  await once(socket, 'close');
  return received.split(' ', 2)[1] ?? '';
}
