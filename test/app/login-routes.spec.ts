// Routes at which people log in and out: one line says so, on every door.
import 'reflect-metadata';
import {
  Body,
  Controller,
  HttpCode,
  Module,
  Patch,
  Post,
  Req,
  UnauthorizedException,
  UnprocessableEntityException,
} from '@nestjs/common';
import type { INestApplication, MiddlewareConsumer } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import express from 'express';
import fastify from 'fastify';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NoAudit, AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditFeature, AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import {
  AuditAuthentication,
  AuditLogin,
  AuditLogout,
  AuditPasswordChange,
  AuditTokenRefresh,
  login,
  logout,
} from 'nest-audit-trail/authentication';
import { detection } from 'nest-audit-trail/detection';
import { auditTrail, audited } from 'nest-audit-trail/express';
import { auditTrail as fastifyAudit } from 'nest-audit-trail/fastify';
import { LoginHints } from '../../src/capture/login-hints.js';
import { send } from '../support/http-client.js';
import { as, userOfHeader } from '../support/user-header.js';

const DATABASE = { type: 'better-sqlite3', database: ':memory:' } as const;

interface LoginBody {
  readonly email: unknown;
  readonly password?: string;
  readonly refuse?: 'unprocessable';
}

@Controller({ path: 'auth/email', version: '1' })
class AuthController {
  @Post('login')
  @HttpCode(200)
  @AuditLogin({ account: 'email', method: 'password' })
  login(@Body() { password, refuse }: LoginBody) {
    if (refuse) throw new UnprocessableEntityException();
    if (password !== 'right') throw new UnauthorizedException();
    return { token: 't0k3n', id: 'not a user', user: { id: 7, tenant: { id: 'acme' } } };
  }

  @Post('odd/login') @AuditLogin({ account: ({ result }) => result.missing.email }) odd(): never {
    throw new UnauthorizedException();
  }

  @Post('sso/login')
  @AuditLogin({
    account: ({ request }) => request.headers['x-name'],
    user: ({ result }) => result.session.of,
    tenant: () => 'acme',
    session: ({ result }) => result.session.id,
    severity: 'high',
  })
  sso() {
    return { session: { id: 's-1', of: 8 } };
  }

  @Post('logout') @AuditLogout() logout(@Req() request: { user?: unknown }) {
    request.user = undefined;
    return {};
  }

  @Post('refresh') @AuditTokenRefresh() refresh() {
    return { token: 't0k3n' };
  }

  @Patch('password') @AuditPasswordChange() password(@Body() { password }: LoginBody) {
    if (password === 'weak') throw new UnprocessableEntityException();
    return { id: 'not a user' };
  }

  @Patch('users/:id/password') @AuditPasswordChange() reset() {
    return {};
  }

  @Post('register') @AuditAuthentication('user_created') register() {
    return { id: 9 };
  }

  @NoAudit() @Post('silent/login') silent() {}

  @Post('session') unmarked() {}
}

class AppModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(userOfHeader).forRoutes('{*path}');
  }
}

const said: string[] = [];
const logger = { log: (message: unknown) => said.push(String(message)), warn() {}, error() {}, fatal() {} };
let app: INestApplication;
let audit: AuditService;
let port: number;

async function start(features: readonly AuditFeature[], more: AuditModuleOptions = {}): Promise<void> {
  said.length = 0;
  const options = { database: DATABASE, features, ...more };
  Module({ imports: [AuditModule.forRoot(options)], controllers: [AuthController] })(AppModule);
  app = await NestFactory.create(AppModule, { logger, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  audit = app.get(AuditService);
  ({ port } = app.getHttpServer().address() as AddressInfo);
}

afterEach(() => app?.close());

interface Sent {
  readonly method?: string;
  readonly body?: object;
  readonly user?: object;
  readonly headers?: Record<string, string>;
}

async function eventOf(
  path: string,
  { method = 'POST', body = {}, user, headers }: Sent,
): Promise<AuditLogEvent> {
  await send(port, {
    method,
    path,
    body: JSON.stringify(body),
    headers: { ...headers, ...(user && as(user)) },
  });
  return newest(audit);
}

const SOMEBODY = { id: 3, tenantId: 'acme', sid: 's-3', roles: ['admin'], impersonatorId: 'root' };

it('says who logged in', async () => {
  await start([]);
  const body = { email: 'Ann@example.com', password: 'right' };
  const event = await eventOf('/auth/email/login', { body });
  expect(event).toMatchObject({
    action: 'authn_login_success',
    resource: 'user',
    resourceId: '7',
    userId: '7',
    tenantId: 'acme',
    category: 'authentication',
    severity: 'low',
    outcome: 'success',
    details: { account: 'Ann@example.com', method: 'password' },
    metadata: { actorType: 'user', statusCode: 200 },
  });
  expect(JSON.stringify(event)).not.toMatch(/right|t0k3n/);
  expect(await eventOf('/auth/email/sso/login', { headers: { 'x-name': 'bob' } })).toMatchObject({
    action: 'authn_login_success',
    resourceId: '8',
    userId: '8',
    tenantId: 'acme',
    sessionId: 's-1',
    severity: 'high',
    details: { account: 'bob' },
  });
});

it.each([
  [401, {}],
  [422, { refuse: 'unprocessable' }],
])('says whose login failed, answered by %i', async (statusCode, more) => {
  await start([]);
  const event = await eventOf('/auth/email/login', { body: { email: 'ann', ...more }, user: SOMEBODY });
  expect(event).toMatchObject({
    action: 'authn_login_fail',
    resource: 'user',
    category: 'authentication',
    severity: 'medium',
    outcome: 'failure',
    details: { account: 'ann', method: 'password' },
    metadata: { actorType: 'anonymous', statusCode },
  });
  // Whoever was logged in before did not try it.
  expect(event).not.toHaveProperty('userId');
  expect(event).not.toHaveProperty('resourceId');
  expect(event.metadata).not.toHaveProperty('roles');
  expect(event.metadata).not.toHaveProperty('impersonatorId');
  expect(event.metadata).not.toHaveProperty('stageErrors');
});

it('says of a login that failed that it did, also where a function of its route throws', async () => {
  await start([]);
  const event = await eventOf('/auth/email/odd/login', { user: SOMEBODY });
  expect(event).toMatchObject({ action: 'authn_login_fail', outcome: 'failure', severity: 'medium' });
  expect(event).not.toHaveProperty('userId');
});

it.each([
  [undefined, undefined],
  [{ $ne: null }, '[object]'],
  [['ann'], '[object]'],
  [7, '7'],
  ['x'.repeat(5_000), expect.stringMatching(/^x{1000,}…/)],
])('takes whatever a client sends as its account: %j', async (email, account) => {
  await start([]);
  const { details, action } = await eventOf('/auth/email/login', { body: { email } });
  expect([action, details['account']]).toEqual(['authn_login_fail', account]);
});

it('hides the account as the redaction says', async () => {
  await start([], { redaction: { fields: { 'details.account': 'mask' } } });
  const { details } = await eventOf('/auth/email/login', { body: { email: 'somebody@example.com' } });
  expect(details['account']).toBe('[redacted ….com]');
});

it('says who logged out, refreshed a token or changed a password', async () => {
  await start([]);
  const user = SOMEBODY;
  expect(await eventOf('/auth/email/logout', { user })).toMatchObject({
    action: 'session_logout',
    resource: 'session',
    resourceId: 's-3',
    userId: '3',
    category: 'authentication',
  });
  expect(await eventOf('/auth/email/refresh', { user })).toMatchObject({
    action: 'authn_token_created',
    resource: 'token',
    userId: '3',
    details: { kind: 'refresh' },
  });
  expect(await eventOf('/auth/email/password', { user, method: 'PATCH' })).toMatchObject({
    action: 'authn_password_change',
    resource: 'user',
    resourceId: '3',
    severity: 'low',
  });
  const body = { password: 'weak' };
  expect(await eventOf('/auth/email/password', { user, method: 'PATCH', body })).toMatchObject({
    action: 'authn_password_change_fail',
    resourceId: '3',
    userId: '3',
    severity: 'high',
    outcome: 'failure',
  });
  expect(await eventOf('/auth/email/users/5/password', { user, method: 'PATCH' })).toMatchObject({
    action: 'authn_password_change',
    resourceId: '5',
    userId: '3',
  });
  expect(await eventOf('/auth/email/register', {})).toMatchObject({
    action: 'user_created',
    resource: 'user',
    resourceId: '9',
    category: 'security',
    severity: 'medium',
  });
});

it('makes many failed logins in a row a finding, where detection is on', async () => {
  await start([detection()]);
  const body = { email: 'ann', refuse: 'unprocessable' };
  const finding = new Promise<AuditLogEvent>((resolve) => {
    audit.observe().subscribe((event) => {
      if (event.resource === 'detection') resolve(event);
    });
  });
  for (let attempt = 0; attempt < 14; attempt += 1) await eventOf('/auth/email/login', { body });
  expect(await finding).toMatchObject({
    action: 'detection.brute-force',
    ipAddress: '127.0.0.1',
    details: { by: 'address', count: 10 },
  });
  expect(said.join('\n')).not.toContain('nobody counts them');
});

it('hints at what looks like a login and is not marked, and at detection', async () => {
  await start([]);
  const hints = said.filter((message) => /looks like a login|nobody counts them/.test(message));
  expect(hints).toHaveLength(2);
  expect(hints[0]).toMatch(/^POST \/auth\/email\/session \(AuthController\.unmarked\) looks like a login/);
});

it('hints at several that look like logins', () => {
  const hints = new LoginHints();
  const route = { recorded: true, action: 'http.post', resource: 'http' };
  for (const pattern of ['/login', '/token']) hints.note('POST', pattern, route);
  const [hint, ...others] = hints.hints();
  expect(hint).toMatch(
    /^POST \/login, POST \/token look like logins\. Their events .* if they are no logins\.$/,
  );
  expect(others).toEqual([]);
  expect(hints.hints()).toEqual([]);
});

it('is said by options on Express', async () => {
  const lines: string[] = [];
  const log = (message: string) => void lines.push(message);
  const trail = auditTrail({ database: DATABASE }, { log, warn: log, error: log });
  await trail.ready();
  const server = express();
  server.use(trail, express.json());
  server.post('/login', audited(login({ account: 'user.name' })), (request, response) => {
    const isRight = request.body.password === 'right';
    if (isRight) Object.assign(request, { user: { id: 7 } });
    response.status(isRight ? 200 : 422).json({});
  });
  server.post('/v1/session', (_request, response) => void response.json({}));
  const http = createServer(server);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port: at } = http.address() as AddressInfo;
  const event = async (password: string) => {
    const body = JSON.stringify({ user: { name: 'ann' }, password });
    await send(at, { method: 'POST', path: '/login', body });
    return newest(trail.service);
  };
  expect(await event('wrong')).toMatchObject({ action: 'authn_login_fail', details: { account: 'ann' } });
  expect(await event('right')).toMatchObject({ action: 'authn_login_success', userId: '7', resourceId: '7' });
  for (let times = 0; times < 2; times += 1) await send(at, { method: 'POST', path: '/v1/session' });
  await newest(trail.service);
  const hints = lines.filter((line) => /looks like a login|nobody counts them/.test(line));
  expect(hints).toEqual([
    expect.stringContaining('nobody counts them'),
    expect.stringMatching(/^POST \/v1\/session looks like a login/),
  ]);
  await new Promise((resolve) => http.close(resolve));
  await trail.close();
});

it('is said by options on Fastify', async () => {
  const lines: string[] = [];
  const server = fastify({
    logger: { level: 'info', stream: { write: (line: string) => lines.push(line) } },
  });
  await server.register(fastifyAudit, { database: DATABASE });
  server.post('/login', { config: { audit: login({ account: 'name' }) } }, async (request, reply) => {
    const { password } = request.body as { password: string };
    if (password !== 'right') return reply.code(422).send({});
    return { userId: 7 };
  });
  server.post('/logout', { config: { audit: logout() } }, async () => ({}));
  server.post('/token', async () => ({}));
  await server.ready();
  const event = async (url: string, password?: string) => {
    await server.inject({ method: 'POST', url, payload: { name: 'ann', password } });
    return newest(server.audit.service);
  };
  expect(await event('/login', 'wrong')).toMatchObject({
    action: 'authn_login_fail',
    details: { account: 'ann' },
  });
  expect(await event('/login', 'right')).toMatchObject({ action: 'authn_login_success', userId: '7' });
  expect(await event('/logout')).toMatchObject({ action: 'session_logout' });
  expect(lines.filter((line) => line.includes('POST /token looks like a login'))).toHaveLength(1);
  await server.close();
});

async function newest(service: AuditService): Promise<AuditLogEvent> {
  await service.flush();
  return (await service.find({ allTenants: true, limit: 1 })).events[0]!;
}
