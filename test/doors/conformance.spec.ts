// One table of requests, run over every door: each leaves one event, with every field right, and its answer is what it is without the
// audit, byte for byte. What a platform does otherwise is listed with the reason.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { complianceRules } from 'nest-audit-trail/rules';
import type { ComplianceRule } from 'nest-audit-trail/rules';
import { BODY_LIMIT } from './door.js';
import type { RunningDoor } from './door.js';
import { DOORS } from './doors.js';
import { send } from './send.js';
import type { Answer, Sent } from './send.js';

interface Case extends Sent {
  readonly name: string;
  /** What is told of its event on each platform; `undefined`: there is none. */
  readonly event: Readonly<Record<string, unknown>> | undefined;
  /** What is different on platforms, by the name of the door, with the reason beside it. */
  readonly except?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const ANN = { authorization: 'Bearer ann@acme', 'user-agent': 'conformance/1' };
const JSON_TYPE = { 'content-type': 'application/json' };
const WHO = { userId: 'ann', tenantId: 'acme', sessionId: 'session-ann', userAgent: 'conformance/1' };
const NOBODY = { userId: undefined, tenantId: 'default' };

const read = { category: 'data_access', outcome: 'success', severity: 'low' };
const change = { category: 'data_modification', outcome: 'success' };
const unrouted = {
  action: 'http.request',
  resource: 'http',
  outcome: 'failure',
  'metadata.route': undefined,
};

const CASES: readonly Case[] = [
  {
    name: 'a read',
    method: 'GET',
    path: '/invoices/7',
    headers: ANN,
    event: {
      ...WHO,
      ...read,
      action: 'invoice.read',
      resource: 'invoice',
      resourceId: '7',
      'metadata.route': '/invoices/:id',
      'metadata.path': '/invoices/7',
      'metadata.statusCode': 200,
      'metadata.actorType': 'user',
      'metadata.roles': ['clerk'],
      ipAddress: '127.0.0.1',
    },
  },
  {
    name: 'a list, with a query',
    method: 'GET',
    path: '/invoices?page=2',
    headers: ANN,
    event: {
      ...WHO,
      ...read,
      action: 'invoice.list',
      'metadata.route': '/invoices',
      'metadata.path': '/invoices',
    },
  },
  {
    name: 'HEAD of a read',
    method: 'HEAD',
    path: '/invoices/7',
    headers: ANN,
    event: { ...WHO, ...read, action: 'invoice.read', resourceId: '7', 'metadata.method': 'HEAD' },
  },
  {
    name: 'a creation',
    method: 'POST',
    path: '/invoices',
    headers: { ...ANN, ...JSON_TYPE },
    body: '{"amount":5}',
    event: { ...WHO, ...change, action: 'invoice.create', resourceId: '99', 'metadata.statusCode': 201 },
    // Express tells nobody what a handler sends.
    except: { 'Express 5': { resourceId: undefined }, 'Express 4.21': { resourceId: undefined } },
  },
  {
    name: 'an update',
    method: 'PUT',
    path: '/invoices/7',
    headers: { ...ANN, ...JSON_TYPE },
    body: '{}',
    event: { ...WHO, ...change, action: 'invoice.update', resourceId: '7' },
  },
  {
    name: 'a deletion',
    method: 'DELETE',
    path: '/invoices/7',
    headers: ANN,
    event: { ...WHO, ...change, action: 'invoice.delete', resourceId: '7', 'metadata.statusCode': 204 },
  },
  {
    name: 'what is annotated',
    method: 'POST',
    path: '/invoices/7/approve',
    headers: ANN,
    event: {
      ...WHO,
      ...change,
      action: 'invoice.approve',
      resourceId: '7',
      severity: 'high',
      details: { step: 'second', amount: 12 },
    },
  },
  {
    name: 'a handler that fails',
    method: 'GET',
    path: '/invoices/7/fail',
    headers: ANN,
    event: {
      ...WHO,
      action: 'invoice.fail',
      resourceId: '7',
      outcome: 'failure',
      'metadata.route': '/invoices/:id/fail',
      'metadata.errorName': 'TypeError',
      'metadata.statusCode': 500,
    },
  },
  {
    name: 'a refusal with a reason',
    method: 'GET',
    path: '/invoices/7/denied',
    headers: ANN,
    event: {
      ...WHO,
      action: 'invoice.denied',
      category: 'authorization',
      outcome: 'failure',
      'details.reason': 'not the approver',
      'metadata.statusCode': 403,
    },
  },
  {
    name: 'nobody, where somebody is needed',
    method: 'GET',
    path: '/secrets',
    event: {
      ...NOBODY,
      action: 'secret.list',
      category: 'authentication',
      outcome: 'failure',
      'metadata.actorType': 'anonymous',
    },
  },
  {
    name: 'a stream',
    method: 'GET',
    path: '/reports',
    headers: ANN,
    event: { ...WHO, ...read, action: 'report.list', 'metadata.statusCode': 200 },
  },
  {
    name: 'a stream that breaks',
    method: 'GET',
    path: '/reports/3/broken',
    headers: ANN,
    event: { ...WHO, action: 'report.broken', outcome: 'partial', 'metadata.errorName': 'RangeError' },
    // Nest sends the stream by other means than pipe(), and what a handler of one thing returns is not looked at.
    except: { 'Nest on Express': { 'metadata.errorName': undefined } },
  },
  {
    name: 'a client that leaves',
    method: 'GET',
    path: '/reports/3/slow',
    headers: ANN,
    leaves: true,
    event: {
      ...WHO,
      action: 'report.slow',
      outcome: 'partial',
      'metadata.aborted': true,
      'metadata.statusCode': 200,
    },
  },
  {
    name: 'a redirection',
    method: 'GET',
    path: '/redirects',
    headers: ANN,
    event: { ...WHO, ...read, action: 'redirect.list', 'metadata.statusCode': 302 },
  },
  { name: 'what is left out', method: 'GET', path: '/health', headers: ANN, event: undefined },
  {
    name: 'no route',
    method: 'GET',
    path: '/none/of/this?token=secret',
    headers: ANN,
    event: { ...unrouted, category: 'system', 'metadata.statusCode': 404, 'metadata.path': '/none/of/this' },
  },
  {
    name: 'OPTIONS that nobody answers',
    method: 'OPTIONS',
    path: '/none',
    event: { ...unrouted, category: 'system', 'metadata.method': 'OPTIONS', 'metadata.statusCode': 404 },
  },
  {
    name: 'malformed JSON',
    method: 'POST',
    path: '/invoices',
    headers: { ...ANN, ...JSON_TYPE },
    body: '{"amount":',
    event: { ...unrouted, ...NOBODY, category: 'security', 'metadata.statusCode': 400 },
  },
  {
    name: 'a body that is too large',
    method: 'POST',
    path: '/invoices',
    headers: { ...ANN, ...JSON_TYPE },
    body: JSON.stringify('x'.repeat(BODY_LIMIT)),
    event: { ...unrouted, ...NOBODY, category: 'security', 'metadata.statusCode': 413 },
  },
];

/** What differs from one answer to the next. */
function lasting({ headers, ...answer }: Answer): unknown {
  const { date: _date, ...rest } = headers;
  return { ...answer, headers: rest };
}

function valueAt(event: AuditLogEvent, path: string): unknown {
  const [first, ...rest] = path.split('.') as [keyof AuditLogEvent, ...string[]];
  const value = event[first];
  return rest.length === 0 ? value : (value as Readonly<Record<string, unknown>>)[rest.join('.')];
}

describe.each(DOORS)('%s', (_name, door) => {
  let folder: string;
  let bare: RunningDoor;
  let audited: RunningDoor;
  const options = (): AuditModuleOptions => ({
    database: { type: 'better-sqlite3', database: join(folder, 'audit.sqlite') },
    delivery: { directory: join(folder, 'journal') },
  });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'audit-doors-'));
    bare = await door.start(undefined);
    audited = await door.start(options());
  });
  afterAll(async () => {
    await bare.close();
    await audited.close();
    rmSync(folder, { recursive: true });
  });

  it.each(CASES.map((one) => [one.name, one] as const))('%s', async (_case, { event, except, ...sent }) => {
    const before = (await audited.events()).length;
    const answer = await send(audited.url, sent);
    expect(lasting(answer)).toEqual(lasting(await send(bare.url, sent)));
    const isThere = async () => (await audited.events()).length > before;
    if (event) await vi.waitUntil(isThere, { timeout: 5_000, interval: 10 });
    const recorded = (await audited.events()).slice(before);
    expect(recorded).toHaveLength(event ? 1 : 0);
    if (!event) return;
    const expected = { 'metadata.stageErrors': undefined, ...event, ...except?.[door.name] };
    const found = Object.keys(expected).map((path) => [path, valueAt(recorded[0]!, path)]);
    expect(Object.fromEntries(found)).toEqual(expected);
  });
});

const NO_DELETION = {
  id: 'no-deletion',
  name: 'Nobody deletes invoices',
  category: 'compliance',
  severity: 'high',
  actions: ['block'],
  conditions: {
    all: [
      { field: 'metadata.method', operator: 'equals', value: 'DELETE' },
      { field: 'metadata.path', operator: 'contains', value: '/invoices/' },
      { field: 'userId', operator: 'equals', value: 'ann' },
    ],
  },
} as const satisfies ComplianceRule;

describe.each(DOORS)('%s as a guard', (_name, door) => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'audit-doors-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('refuses what a compliance rule blocks, which is an event', async () => {
    const running = await door.start({
      database: { type: 'better-sqlite3', database: join(folder, 'audit.sqlite') },
      delivery: { directory: join(folder, 'journal') },
      features: [complianceRules({ rules: [NO_DELETION] })],
    });
    const deletion = { method: 'DELETE', path: '/invoices/7' };
    expect((await send(running.url, { ...deletion, headers: ANN })).status).toBe(403);
    const bob = { authorization: 'Bearer bob@acme' };
    expect((await send(running.url, { ...deletion, headers: bob })).status).toBe(204);
    await vi.waitUntil(async () => (await running.events()).length === 2, { timeout: 5_000, interval: 10 });
    const [refused, done] = await running.events();
    expect(refused).toMatchObject({
      userId: 'ann',
      outcome: 'failure',
      category: 'authorization',
      complianceFlags: ['no-deletion'],
      metadata: { statusCode: 403, blockedBy: 'no-deletion' },
    });
    expect(done).toMatchObject({ userId: 'bob', outcome: 'success', complianceFlags: [] });
    await running.close();
  });

  it('refuses a strict request before its handler while there is no database', async () => {
    const running = await door.start({
      // Nobody listens there.
      database: { type: 'mysql', host: '127.0.0.1', port: 1, database: 'audit' },
      delivery: { mode: 'strict', directory: join(folder, 'journal'), shutdownTimeoutMs: 0 },
    });
    const answer = await send(running.url, { method: 'POST', path: '/invoices/7/approve', headers: ANN });
    expect(answer.status).toBe(503);
    expect(answer.body).not.toContain('carriedOut":true');
    await running.close();
  });
});

describe.each(DOORS)('%s under load', (_name, door) => {
  it('mixes up nobody in 1,000 requests of 50 users in 5 tenants', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'audit-doors-'));
    const running = await door.start({
      database: { type: 'better-sqlite3', database: join(folder, 'audit.sqlite') },
      delivery: { directory: join(folder, 'journal') },
    });
    const whoOf = (place: number) => ({ userId: `u${place % 50}`, tenantId: `t${place % 5}` });
    const places = Array.from({ length: 1_000 }, (_, place) => place);
    // 100 at a time.
    const next = places.values();
    const ask = async () => {
      for (const place of next) {
        const { userId, tenantId } = whoOf(place);
        const headers = { authorization: `Bearer ${userId}@${tenantId}` };
        const method = place % 3 === 0 ? 'PUT' : 'GET';
        expect((await send(running.url, { method, path: `/invoices/${place}`, headers })).status).toBe(200);
      }
    };
    await Promise.all(Array.from({ length: 100 }, ask));
    await vi.waitUntil(async () => (await running.events()).length === places.length, { timeout: 10_000 });
    const events = await running.events();
    const told = events.map(({ resourceId, userId, tenantId, sessionId, action }) => [
      Number(resourceId),
      { userId, tenantId },
      sessionId,
      action,
    ]);
    told.sort(([a], [b]) => (a as number) - (b as number));
    expect(told).toEqual(
      places.map((place) => [
        place,
        whoOf(place),
        `session-${whoOf(place).userId}`,
        place % 3 === 0 ? 'invoice.update' : 'invoice.read',
      ]),
    );
    await running.close();
    rmSync(folder, { recursive: true });
  });
});
