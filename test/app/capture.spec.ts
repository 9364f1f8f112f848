// Exactly one event, every field right, for each way in which a request can end.
import { Agent } from 'node:http';
import { once } from 'node:events';
import type { AuditLogEvent } from 'nest-audit-trail';
import { bearer } from '../support/accounting.module.js';
import { startAuditedApp } from '../support/audited-app.js';
import type { AuditedApp } from '../support/audited-app.js';
import { expectEvent } from '../support/expected-event.js';
import type { Expected } from '../support/expected-event.js';
import { abandon, dial, send } from '../support/http-client.js';
import type { Call } from '../support/http-client.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

interface Scenario {
  readonly title: string;
  readonly call: Call;
  readonly status: number;
  readonly event: Expected;
}

const asClerk = { userId: 'ann', tenantId: 'acme', sessionId: 's-1' };
const clerk = bearer('ann');

/** An event on a handler of the application, with its metadata. */
function on(handler: string, metadata: Record<string, unknown>, rest: Expected = {}): Expected {
  return { ...rest, metadata: { handler, ...metadata } };
}

const SCENARIOS: readonly Scenario[] = [
  {
    title: '200 of a list',
    call: { path: '/api/invoices?page=2&token=abc', headers: { ...clerk, 'user-agent': 'suite/1' } },
    status: 200,
    event: on(
      'InvoicesController.list',
      { path: '/api/invoices', route: '/api/invoices', statusCode: 200 },
      { ...asClerk, action: 'invoice.list', resource: 'invoice', userAgent: 'suite/1', riskScore: 5 },
    ),
  },
  {
    title: '200 of one thing',
    call: { path: '/api/invoices/42', headers: clerk },
    status: 200,
    event: on(
      'InvoicesController.read',
      { path: '/api/invoices/42', route: '/api/invoices/:id', statusCode: 200 },
      { ...asClerk, action: 'invoice.read', resource: 'invoice', resourceId: '42' },
    ),
  },
  {
    title: '201 with the id taken from the answer',
    call: { method: 'POST', path: '/api/invoices', body: '{"customer":"x","amount":1}', headers: clerk },
    status: 201,
    event: on(
      'InvoicesController.create',
      { method: 'POST', path: '/api/invoices', route: '/api/invoices', statusCode: 201 },
      {
        ...asClerk,
        action: 'invoice.create',
        resource: 'invoice',
        resourceId: '4711',
        category: 'data_modification',
        riskScore: 20,
      },
    ),
  },
  {
    title: 'an update that is annotated',
    call: { method: 'PUT', path: '/api/invoices/7', body: '{"amount":2}', headers: clerk },
    status: 200,
    event: on(
      'InvoicesController.update',
      { method: 'PUT', path: '/api/invoices/7', route: '/api/invoices/:id', statusCode: 200 },
      {
        ...asClerk,
        action: 'invoice.update',
        resource: 'invoice',
        resourceId: '7',
        category: 'data_modification',
        details: { 'changes.amount.before': 1, 'changes.amount.after': 2 },
      },
    ),
  },
  {
    title: '204',
    call: { method: 'DELETE', path: '/api/invoices/42', headers: clerk },
    status: 204,
    event: on(
      'InvoicesController.remove',
      { method: 'DELETE', path: '/api/invoices/42', route: '/api/invoices/:id', statusCode: 204 },
      {
        ...asClerk,
        action: 'invoice.delete',
        resource: 'invoice',
        resourceId: '42',
        category: 'data_modification',
        severity: 'medium',
        riskScore: 40,
      },
    ),
  },
  {
    title: 'a redirect',
    call: { path: '/api/invoices/42/document' },
    status: 302,
    event: on(
      'InvoicesController.document',
      { path: '/api/invoices/42/document', route: '/api/invoices/:id/document', statusCode: 302 },
      { action: 'invoice.document', resource: 'invoice', resourceId: '42' },
    ),
  },
  {
    title: '@Audit() with details and a severity, secrets redacted',
    call: {
      method: 'POST',
      path: '/api/invoices/9/approve',
      headers: bearer('bob', 'acme', 's-2', 'approver'),
    },
    status: 201,
    event: on(
      'InvoicesController.approve',
      {
        method: 'POST',
        path: '/api/invoices/9/approve',
        route: '/api/invoices/:id/approve',
        statusCode: 201,
      },
      {
        userId: 'bob',
        tenantId: 'acme',
        sessionId: 's-2',
        action: 'invoice.approve',
        resource: 'invoice',
        resourceId: '9',
        severity: 'high',
        category: 'data_modification',
        details: { amount: 99, password: '[redacted]' },
        riskScore: 45,
      },
    ),
  },
  {
    title: '@Audit() with details of a result that is not there, since a guard refused',
    call: { method: 'POST', path: '/api/invoices/9/approve', headers: clerk },
    status: 403,
    event: on(
      'InvoicesController.approve',
      {
        method: 'POST',
        path: '/api/invoices/9/approve',
        route: '/api/invoices/:id/approve',
        statusCode: 403,
        stage: 'guard',
        errorName: 'ForbiddenException',
      },
      {
        ...asClerk,
        action: 'invoice.approve',
        resource: 'invoice',
        resourceId: '9',
        severity: 'high',
        category: 'authorization',
        outcome: 'failure',
      },
    ),
  },
  {
    title: '207',
    call: { method: 'POST', path: '/api/invoices/batch' },
    status: 207,
    event: on(
      'InvoicesController.batch',
      { method: 'POST', path: '/api/invoices/batch', route: '/api/invoices/batch', statusCode: 207 },
      {
        action: 'invoice.batch',
        resource: 'invoice',
        category: 'data_modification',
        outcome: 'partial',
        severity: 'medium',
      },
    ),
  },
  {
    title: '400 of the ValidationPipe',
    call: { method: 'POST', path: '/api/invoices', body: '{"customer":1}', headers: clerk },
    status: 400,
    event: on(
      'InvoicesController.create',
      {
        method: 'POST',
        path: '/api/invoices',
        route: '/api/invoices',
        statusCode: 400,
        errorName: 'BadRequestException',
      },
      {
        ...asClerk,
        action: 'invoice.create',
        resource: 'invoice',
        category: 'data_modification',
        outcome: 'failure',
        severity: 'medium',
      },
    ),
  },
  {
    title: '400 of malformed JSON',
    call: { method: 'POST', path: '/api/invoices', body: '{"customer":', headers: clerk },
    status: 400,
    event: {
      category: 'security',
      outcome: 'failure',
      severity: 'medium',
      metadata: {
        method: 'POST',
        path: '/api/invoices',
        statusCode: 400,
        stage: 'parser',
        errorName: 'BadRequestException',
      },
    },
  },
  {
    title: '413 of a body too large',
    call: { method: 'POST', path: '/api/invoices', body: JSON.stringify({ customer: 'x'.repeat(200_000) }) },
    status: 413,
    event: {
      category: 'security',
      outcome: 'failure',
      severity: 'medium',
      metadata: {
        method: 'POST',
        path: '/api/invoices',
        statusCode: 413,
        stage: 'parser',
        errorName: 'HttpException',
      },
    },
  },
  {
    title: "401 of the application's own guard",
    call: { path: '/api/faults/protected' },
    status: 401,
    event: on(
      'FaultsController.protected',
      {
        path: '/api/faults/protected',
        route: '/api/faults/protected',
        statusCode: 401,
        stage: 'guard',
        errorName: 'UnauthorizedException',
      },
      {
        action: 'fault.protected',
        resource: 'fault',
        category: 'authentication',
        outcome: 'failure',
        severity: 'medium',
      },
    ),
  },
  {
    title: "403 of the application's own guard",
    call: { path: '/api/faults/admin', headers: clerk },
    status: 403,
    event: on(
      'FaultsController.admin',
      {
        path: '/api/faults/admin',
        route: '/api/faults/admin',
        statusCode: 403,
        stage: 'guard',
        errorName: 'ForbiddenException',
      },
      {
        ...asClerk,
        action: 'fault.admin',
        resource: 'fault',
        category: 'authorization',
        outcome: 'failure',
        severity: 'high',
        riskScore: 70,
      },
    ),
  },
  {
    title: '404 without a route',
    call: { path: '/api/nowhere', headers: clerk },
    status: 404,
    event: {
      category: 'system',
      outcome: 'failure',
      metadata: { path: '/api/nowhere', statusCode: 404, stage: 'router', errorName: 'NotFoundException' },
    },
  },
  {
    title: '404 outside the global prefix',
    call: { path: '/nowhere/at/all' },
    status: 404,
    event: {
      category: 'system',
      outcome: 'failure',
      // Express answers here itself: nothing was thrown.
      metadata: { path: '/nowhere/at/all', statusCode: 404, stage: 'router' },
    },
  },
  {
    title: '404 thrown',
    call: { path: '/api/invoices/missing', headers: clerk },
    status: 404,
    event: on(
      'InvoicesController.read',
      {
        path: '/api/invoices/missing',
        route: '/api/invoices/:id',
        statusCode: 404,
        errorName: 'NotFoundException',
      },
      { ...asClerk, action: 'invoice.read', resource: 'invoice', resourceId: 'missing', outcome: 'failure' },
    ),
  },
  {
    title: 'a method that the path does not have',
    call: { method: 'PATCH', path: '/api/invoices' },
    status: 404,
    event: {
      category: 'system',
      outcome: 'failure',
      metadata: {
        method: 'PATCH',
        path: '/api/invoices',
        statusCode: 404,
        stage: 'router',
        errorName: 'NotFoundException',
      },
    },
  },
  {
    title: '405 thrown',
    call: { path: '/api/faults/method' },
    status: 405,
    event: on(
      'FaultsController.method',
      {
        path: '/api/faults/method',
        route: '/api/faults/method',
        statusCode: 405,
        errorName: 'MethodNotAllowedException',
      },
      { action: 'fault.method', resource: 'fault', outcome: 'failure' },
    ),
  },
  {
    title: 'OPTIONS that nobody answers',
    call: { method: 'OPTIONS', path: '/api/invoices' },
    status: 404,
    event: {
      category: 'system',
      outcome: 'failure',
      metadata: {
        method: 'OPTIONS',
        path: '/api/invoices',
        statusCode: 404,
        stage: 'router',
        errorName: 'NotFoundException',
      },
    },
  },
  {
    title: 'HEAD',
    call: { method: 'HEAD', path: '/api/invoices/42' },
    status: 200,
    event: on(
      'InvoicesController.read',
      { method: 'HEAD', path: '/api/invoices/42', route: '/api/invoices/:id', statusCode: 200 },
      { action: 'invoice.read', resource: 'invoice', resourceId: '42' },
    ),
  },
  {
    title: '500 thrown',
    call: { path: '/api/faults/error', headers: clerk },
    status: 500,
    event: on(
      'FaultsController.error',
      { path: '/api/faults/error', route: '/api/faults/error', statusCode: 500, errorName: 'Error' },
      { ...asClerk, action: 'fault.error', resource: 'fault', outcome: 'failure' },
    ),
  },
  {
    title: 'a string thrown',
    call: { path: '/api/faults/string' },
    status: 500,
    event: on(
      'FaultsController.thrownString',
      { path: '/api/faults/string', route: '/api/faults/string', statusCode: 500, errorName: 'string' },
      { action: 'fault.thrown-string', resource: 'fault', outcome: 'failure' },
    ),
  },
  {
    title: 'an error thrown in an interceptor',
    call: { path: '/api/faults/interceptor' },
    status: 500,
    event: on(
      'FaultsController.interceptor',
      {
        path: '/api/faults/interceptor',
        route: '/api/faults/interceptor',
        statusCode: 500,
        errorName: 'TypeError',
      },
      { action: 'fault.interceptor', resource: 'fault', outcome: 'failure' },
    ),
  },
  {
    title: 'an error thrown in a pipe',
    call: { path: '/api/faults/pipe/seven' },
    status: 400,
    event: on(
      'FaultsController.pipe',
      {
        path: '/api/faults/pipe/seven',
        route: '/api/faults/pipe/:number',
        statusCode: 400,
        errorName: 'BadRequestException',
      },
      { action: 'fault.pipe', resource: 'fault', outcome: 'failure' },
    ),
  },
  {
    title: 'a custom exception filter',
    call: { path: '/api/faults/filter' },
    status: 418,
    event: on(
      'FaultsController.filter',
      { path: '/api/faults/filter', route: '/api/faults/filter', statusCode: 418, errorName: 'RangeError' },
      { action: 'fault.filter', resource: 'fault', outcome: 'failure' },
    ),
  },
  {
    title: 'an answer that can not be serialised',
    call: { path: '/api/faults/serialisation' },
    status: 500,
    event: on(
      'FaultsController.serialisation',
      {
        path: '/api/faults/serialisation',
        route: '/api/faults/serialisation',
        statusCode: 500,
        errorName: 'TypeError',
      },
      { action: 'fault.serialisation', resource: 'fault', outcome: 'failure' },
    ),
  },
  {
    title: 'a timeout',
    call: { path: '/api/faults/timeout' },
    status: 408,
    event: on(
      'FaultsController.timeout',
      {
        path: '/api/faults/timeout',
        route: '/api/faults/timeout',
        statusCode: 408,
        errorName: 'RequestTimeoutException',
      },
      { action: 'fault.timeout', resource: 'fault', outcome: 'failure' },
    ),
  },
  {
    title: 'a streamed file',
    call: { path: '/api/streams/file', headers: clerk },
    status: 200,
    event: on(
      'StreamsController.file',
      { path: '/api/streams/file', route: '/api/streams/file', statusCode: 200 },
      { ...asClerk, action: 'stream.file', resource: 'stream' },
    ),
  },
  {
    title: 'a stream that breaks',
    call: { path: '/api/streams/broken', headers: clerk },
    status: 200,
    event: on(
      'StreamsController.broken',
      { path: '/api/streams/broken', route: '/api/streams/broken', statusCode: 200, errorName: 'RangeError' },
      { ...asClerk, action: 'stream.broken', resource: 'stream', outcome: 'partial' },
    ),
  },
  {
    title: 'a response that the handler destroys',
    call: { path: '/api/streams/destroyed' },
    status: 200,
    event: on(
      'StreamsController.destroyed',
      {
        path: '/api/streams/destroyed',
        route: '/api/streams/destroyed',
        statusCode: 200,
        errorName: 'RangeError',
      },
      { action: 'stream.destroyed', resource: 'stream', outcome: 'partial' },
    ),
  },
  {
    title: 'server-sent events',
    call: { path: '/api/streams/events', headers: clerk },
    status: 200,
    event: on(
      'StreamsController.events',
      { path: '/api/streams/events', route: '/api/streams/events', statusCode: 200 },
      { ...asClerk, action: 'stream.events', resource: 'stream' },
    ),
  },
  {
    title: 'a @Res() handler',
    call: { path: '/api/streams/manual' },
    status: 203,
    event: on(
      'StreamsController.manual',
      { path: '/api/streams/manual', route: '/api/streams/manual', statusCode: 203 },
      { action: 'stream.manual', resource: 'stream' },
    ),
  },
  {
    title: 'a path outside the global prefix',
    call: { path: '/health' },
    status: 200,
    event: on(
      'HealthController.check',
      { path: '/health', route: '/health', statusCode: 200 },
      { action: 'health.list', resource: 'health' },
    ),
  },
  {
    title: 'a versioned route',
    call: { path: '/api/v2/versioned' },
    status: 200,
    event: on(
      'VersionedController.list',
      { path: '/api/v2/versioned', route: '/api/v2/versioned', statusCode: 200 },
      { action: 'versioned.list', resource: 'versioned' },
    ),
  },
  {
    title: 'a login whose handler says who it was',
    call: { method: 'POST', path: '/api/sessions', body: '{"user":"eve","password":"x"}' },
    status: 201,
    event: on(
      'SessionsController.create',
      {
        method: 'POST',
        path: '/api/sessions',
        route: '/api/sessions',
        statusCode: 201,
      },
      {
        userId: 'eve',
        tenantId: 'acme',
        action: 'session.login',
        resource: 'session',
        category: 'authentication',
      },
    ),
  },
  {
    title: 'a logout that forgets its user',
    call: { method: 'POST', path: '/api/sessions/end', headers: clerk },
    status: 200,
    event: on(
      'SessionsController.logout',
      { method: 'POST', path: '/api/sessions/end', route: '/api/sessions/end', statusCode: 200 },
      { ...asClerk, action: 'session.logout', resource: 'session', category: 'data_modification' },
    ),
  },
  {
    title: 'an answer that an interceptor wraps',
    call: { path: '/api/sessions/enveloped' },
    status: 200,
    event: on(
      'SessionsController.enveloped',
      { path: '/api/sessions/enveloped', route: '/api/sessions/enveloped', statusCode: 200 },
      { action: 'session.enveloped', resource: 'session', resourceId: 'inner-id' },
    ),
  },
  {
    title: 'a secret parameter',
    call: { method: 'POST', path: '/api/reset/s3cr3t-value' },
    status: 200,
    event: on(
      'ResetController.reset',
      { method: 'POST', path: '/api/reset/[redacted]', route: '/api/reset/:token', statusCode: 200 },
      { action: 'reset.reset', resource: 'reset', category: 'data_modification' },
    ),
  },
  {
    title: 'a secret parameter in a request that its route never sees',
    call: { method: 'POST', path: '/api/reset/s3cr3t-value', body: '{' },
    status: 400,
    event: {
      category: 'security',
      outcome: 'failure',
      severity: 'medium',
      metadata: {
        method: 'POST',
        path: '/api/reset/[redacted]',
        statusCode: 400,
        stage: 'parser',
        errorName: 'BadRequestException',
      },
    },
  },
  {
    title: 'an error whose filter answers with success',
    call: { method: 'POST', path: '/api/faults/accepted-late' },
    status: 202,
    event: on(
      'FaultsController.late',
      {
        method: 'POST',
        path: '/api/faults/accepted-late',
        route: '/api/faults/accepted-late',
        statusCode: 202,
        errorName: 'HttpException',
      },
      {
        action: 'fault.late',
        resource: 'fault',
        category: 'data_modification',
        outcome: 'failure',
        severity: 'medium',
      },
    ),
  },
];

describeOnSqlite('capture', (create) => {
  let database: TestDatabase;
  let app: AuditedApp;
  let sent = 0;

  beforeAll(async () => {
    database = await create();
    app = await startAuditedApp({ database: database.options, delivery: { directory: database.journal } });
  });

  afterAll(async () => {
    await app?.close();
    await database?.drop();
  });

  // The whole log, after each test: an event that nobody asked for is as wrong as one that is missing.
  afterEach(async () => {
    await app.audit.flush();
    const { total } = await app.audit.statistics({ allTenants: true });
    expect(total).toBe(sent);
  });

  it.each(SCENARIOS)('$title', async ({ call, status, event }) => {
    const requestId = app.requestId();
    sent += 1;
    const answer = await send(app.port, { ...call, headers: { ...call.headers, 'x-request-id': requestId } });
    expect(answer.status).toBe(status);
    expectEvent(await app.eventOf(requestId), requestId, event);
  });

  it('a client that disconnects before the answer', async () => {
    const requestId = app.requestId();
    sent += 1;
    await abandon(
      app.port,
      { path: '/api/faults/never', headers: { ...clerk, 'x-request-id': requestId } },
      'begun',
    ).gone;
    expectEvent(
      await app.eventOf(requestId),
      requestId,
      on(
        'FaultsController.never',
        { path: '/api/faults/never', route: '/api/faults/never', aborted: true },
        { ...asClerk, action: 'fault.never', resource: 'fault', outcome: 'partial' },
      ),
    );
  });

  it('a client that disconnects in the middle of the answer', async () => {
    const requestId = app.requestId();
    sent += 1;
    const call = { path: '/api/streams/endless', headers: { ...clerk, 'x-request-id': requestId } };
    await abandon(app.port, call, 'answering').gone;
    expectEvent(
      await app.eventOf(requestId),
      requestId,
      on(
        'StreamsController.endless',
        { path: '/api/streams/endless', route: '/api/streams/endless', statusCode: 200, aborted: true },
        { ...asClerk, action: 'stream.endless', resource: 'stream', outcome: 'partial' },
      ),
    );
  });

  it('keeps requests of one connection apart', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ids = Array.from({ length: 5 }, () => app.requestId());
    sent += ids.length;
    for (const [index, requestId] of ids.entries()) {
      const headers = { ...bearer(`user-${index}`), 'x-request-id': requestId };
      await send(app.port, { path: `/api/invoices/${index}`, headers, agent });
    }
    agent.destroy();
    for (const [index, requestId] of ids.entries()) {
      expect(await app.eventOf(requestId)).toMatchObject({
        userId: `user-${index}`,
        resourceId: String(index),
      });
    }
  });

  it('keeps pipelined requests apart', async () => {
    const ids = Array.from({ length: 20 }, () => app.requestId());
    sent += ids.length;
    const socket = await dial(app.port);
    socket.write(
      ids
        .map(
          (requestId, index) =>
            `GET /api/invoices/${index} HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer(`user-${index}`)['authorization']}\r\nX-Request-Id: ${requestId}\r\n${index === ids.length - 1 ? 'Connection: close\r\n' : ''}\r\n`,
        )
        .join(''),
    );
    socket.resume();
    await once(socket, 'close');
    for (const [index, requestId] of ids.entries()) {
      expect(await app.eventOf(requestId)).toMatchObject({
        userId: `user-${index}`,
        resourceId: String(index),
        outcome: 'success',
      });
    }
  });

  it('tells pipelined requests whose client went away while they waited', async () => {
    const ids = Array.from({ length: 3 }, () => app.requestId());
    sent += ids.length;
    const socket = await dial(app.port);
    const paths = ['/api/faults/never', '/api/invoices/1', '/api/invoices/2'];
    socket.write(
      paths
        .map((path, index) => `GET ${path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${ids[index]}\r\n\r\n`)
        .join(''),
    );
    // 102 Processing: the first handler runs, and will never answer.
    await once(socket, 'data');
    socket.destroy();
    for (const requestId of ids) {
      const event = await app.eventOf(requestId);
      expect(event).toMatchObject({ outcome: 'partial', metadata: { aborted: true } });
    }
  });

  it('leaves @NoAudit() routes out', async () => {
    expect((await send(app.port, { path: '/health/silent' })).status).toBe(200);
  });

  it('tells 1,000 concurrent requests of 50 users in 5 tenants apart', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 100 });
    const calls = Array.from({ length: 1_000 }, (_, index) => ({
      requestId: app.requestId(),
      user: `user-${index % 50}`,
      tenant: `tenant-${(index % 50) % 5}`,
      session: `session-${index}`,
    }));
    sent += calls.length;
    await Promise.all(
      calls.map(({ requestId, user, tenant, session }, index) =>
        send(app.port, {
          path: `/api/invoices/${index}`,
          headers: { ...bearer(user, tenant, session), 'x-request-id': requestId },
          agent,
        }),
      ),
    );
    agent.destroy();
    await app.audit.flush();
    const stored = new Map<unknown, AuditLogEvent>();
    for (const tenantId of ['tenant-0', 'tenant-1', 'tenant-2', 'tenant-3', 'tenant-4']) {
      for await (const event of app.audit.stream({ tenantId, action: 'invoice.read' })) {
        expect(event.tenantId).toBe(tenantId);
        stored.set(event.metadata['requestId'], event);
      }
    }
    expect(stored.size).toBe(calls.length);
    for (const [index, { requestId, user, tenant, session }] of calls.entries()) {
      expect(stored.get(requestId)).toMatchObject({
        userId: user,
        tenantId: tenant,
        sessionId: session,
        resourceId: String(index),
        outcome: 'success',
      });
    }
  });
});
