// Spoofed addresses, garbage in headers and resolvers that fail: stored safely, or left out, never passed on.
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { bearer } from '../support/accounting.module.js';
import { startAuditedApp } from '../support/audited-app.js';
import type { AuditedApp } from '../support/audited-app.js';
import { send } from '../support/http-client.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

const GARBAGE = {
  'control characters': '\u0001\u001b[31mred\u0007',
  'CR and LF': 'x\r\n2026-01-01 INFO forged line',
  NUL: 'a\u0000b',
  'a lone surrogate': 'a\ud800b\udc00',
  'C1 controls and line separators': '\u0085\u009b\u2028\u2029',
  emoji: '🧾'.repeat(300),
  quotes: `'"\`; DROP TABLE audit_events; --`,
  'a bidi override': '\u202egnp.exe',
};

/** JSON that fits a header: everything beyond ASCII escaped. */
function asciiJson(text: string): string {
  return JSON.stringify(text).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

describeOnSqlite('untrusted input', (create) => {
  let database: TestDatabase;
  let app: AuditedApp | undefined;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database?.drop();
  });

  async function start(options: AuditModuleOptions, trustProxy?: boolean | string): Promise<AuditedApp> {
    app = await startAuditedApp(
      { database: database.options, delivery: { directory: database.journal }, ...options },
      (nest) => {
        if (trustProxy !== undefined) nest.set('trust proxy', trustProxy);
        // Stands for whatever may put text into a header that Node's parser would not let through.
        nest.use((request: IncomingMessage, _response: unknown, next: () => void) => {
          const raw = request.headers['x-raw-user-agent'];
          if (typeof raw === 'string') request.headers['user-agent'] = JSON.parse(raw) as string;
          next();
        });
      },
    );
    return app;
  }

  async function eventOf(
    headers: Record<string, string | string[]>,
    path = '/health',
  ): Promise<AuditLogEvent> {
    const requestId = app!.requestId();
    await send(app!.port, { path, headers: { ...headers, 'x-request-id': requestId } });
    return app!.eventOf(requestId);
  }

  it('takes no address from X-Forwarded-For without the trust-proxy setting', async () => {
    await start({});
    const event = await eventOf({
      'x-forwarded-for': '203.0.113.7',
      forwarded: 'for=203.0.113.8',
      'x-real-ip': '203.0.113.9',
    });
    expect(event.ipAddress).toBe('127.0.0.1');
  });

  it('takes it by the trust-proxy setting, in canonical form', async () => {
    await start({}, 'loopback');
    expect((await eventOf({ 'x-forwarded-for': '203.0.113.7' })).ipAddress).toBe('203.0.113.7');
    // The client's own claim stands left of what the trusted proxy added.
    expect((await eventOf({ 'x-forwarded-for': '10.0.0.1, 203.0.113.7' })).ipAddress).toBe('203.0.113.7');
    expect((await eventOf({ 'x-forwarded-for': '2001:DB8:0:0::0001' })).ipAddress).toBe('2001:db8::1');
    expect((await eventOf({ 'x-forwarded-for': '::FFFF:203.0.113.7' })).ipAddress).toBe('203.0.113.7');
  });

  it('stores the address of the connection where the claimed one is none', async () => {
    await start({}, true);
    for (const claim of ['<script>alert(1)</script>', 'unknown', '999.1.1.1', 'a'.repeat(5_000)]) {
      const event = await eventOf({ 'x-forwarded-for': claim });
      expect(event.ipAddress).toBe('127.0.0.1');
      expect(event.metadata['stageErrors']).toEqual(['resolve.ip']);
    }
  });

  it.each(Object.entries(GARBAGE))(
    'stores %s in a user agent, a user, a tenant and a session as safe text',
    async (_, garbage) => {
      await start({
        capture: {
          resolve: {
            user: () => garbage,
            tenant: () => garbage,
            session: () => garbage,
            actorType: () => garbage,
          },
        },
      });
      const event = await eventOf({ 'x-raw-user-agent': asciiJson(garbage) });
      for (const text of [
        event.userAgent,
        event.userId,
        event.tenantId,
        event.sessionId,
        String(event.metadata['actorType']),
      ]) {
        expect(text).toBeDefined();
        expect(text!.isWellFormed()).toBe(true);
      }
      for (const text of [event.userAgent, event.userId, event.tenantId, event.sessionId]) {
        // eslint-disable-next-line no-control-regex
        expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/);
      }
      // What was stored can be asked for by the text as it came; but for a tenant that is stored under another id.
      const found = await app!.audit.find({ allTenants: true, userId: garbage.slice(0, 255) });
      expect(found.events.map(({ id }) => id)).toEqual(garbage.length > 255 ? [] : [event.id]);
      const ofTenant = await app!.audit.find({ tenantId: garbage }).catch((error: Error) => error);
      if (event.tenantId !== garbage) expect(ofTenant).toMatchObject({ field: 'tenantId' });
      else expect(ofTenant).toMatchObject({ events: [{ id: event.id }] });
    },
  );

  it('cuts a header of 64 KB with a visible marker', async () => {
    await start({});
    const server = createServer({ maxHeaderSize: 200_000 }, app!.app.getHttpAdapter().getInstance());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const requestId = app!.requestId();
    const { port } = server.address() as AddressInfo;
    const headers = {
      'user-agent': 'u'.repeat(65_536),
      'x-request-id': requestId,
      authorization: bearer('n'.repeat(60_000))['authorization']!,
    };
    expect((await send(port, { path: '/health', headers })).status).toBe(200);
    const event = await app!.eventOf(requestId);
    expect(event.userAgent).toHaveLength(512);
    expect(event.userAgent).toMatch(/^u+…\[cut from 65536\]$/);
    expect(event.userId).toHaveLength(255);
    expect(event.userId).toMatch(/^n+…\[sha256:[\w-]{22}\]$/);
    server.close();
    server.closeAllConnections();
  });

  it('loses only the field of a resolver that fails, and says so', async () => {
    const hostile = {
      throws: () => {
        throw new Error('password=hunter2');
      },
      rejects: () => Promise.reject(new Error('password=hunter2')) as never,
      object: () => ({ id: 1 }) as never,
      endless: () => Number.NaN,
    };
    for (const resolver of Object.values(hostile)) {
      await start({
        capture: {
          resolve: {
            user: resolver,
            tenant: resolver,
            session: resolver,
            ip: resolver,
            actorType: resolver,
            impersonator: resolver,
          },
        },
      });
      const requestId = app!.requestId();
      const answer = await send(app!.port, {
        path: '/api/invoices/1',
        headers: { 'x-request-id': requestId },
      });
      expect(answer).toMatchObject({ status: 200, body: '{"id":"1","amount":120}' });
      const event = await app!.eventOf(requestId);
      expect(event).toMatchObject({
        action: 'invoice.read',
        resourceId: '1',
        tenantId: 'default',
        outcome: 'success',
      });
      expect(event.userId ?? event.sessionId).toBeUndefined();
      // Where the connection comes from is known without it.
      expect(event.ipAddress).toBe('127.0.0.1');
      expect([...(event.metadata['stageErrors'] as string[])].sort()).toEqual([
        'resolve.actorType',
        'resolve.impersonator',
        'resolve.ip',
        'resolve.session',
        'resolve.tenant',
        'resolve.user',
      ]);
      expect(JSON.stringify(event)).not.toContain('hunter2');
      await app!.close();
      app = undefined;
      await database.drop();
      database = await create();
    }
  });

  it('survives a request id, a trace and a path that are garbage', async () => {
    await start({});
    const traced = await eventOf({ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' });
    expect(traced.metadata['traceId']).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
    const garbled = await eventOf({ traceparent: '00-zz-<script>' });
    expect(garbled.metadata).not.toHaveProperty('traceId');
    const requestId = app!.requestId();
    await send(app!.port, {
      path: `/api/${'%F0%9F'.repeat(1_000)}?password=x`,
      headers: { 'x-request-id': requestId },
    });
    const event = await app!.eventOf(requestId);
    expect(String(event.metadata['path'])).toMatch(/…\[cut from 6005\]$/);
    expect(JSON.stringify(event)).not.toContain('password');
  });

  it('stores query values and body fields only when asked, without their secrets', async () => {
    await start({ capture: { query: ['page', 'apiKey'], body: true } });
    const requestId = app!.requestId();
    await send(app!.port, {
      method: 'PUT',
      path: '/api/invoices/1?page=2&apiKey=k-123&other=x',
      headers: { ...bearer('ann'), 'x-request-id': requestId },
      body: JSON.stringify({
        amount: 5,
        Card: { number: '4111111111111111' },
        nested: { list: [{ PASSWORD: 'hunter2', ok: true }], user_iban: 'DE02' },
        __proto__: null,
        constructor: 'x',
      }),
    });
    const event = await app!.eventOf(requestId);
    expect(event.details).toEqual({
      'query.page': '2',
      'query.apiKey': '[redacted]',
      'body.amount': 5,
      'body.Card': '[redacted]',
      'body.nested.list.0.PASSWORD': '[redacted]',
      'body.nested.list.0.ok': true,
      'body.nested.user_iban': '[redacted]',
      'body.constructor': 'x',
      'changes.amount.before': 1,
      'changes.amount.after': 5,
    });
  });
});
