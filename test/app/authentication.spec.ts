// The authentication helpers: their names are OWASP's, their events say who acted and whom it is about.
import 'reflect-metadata';
import { Body, Controller, Module, Post } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { AuditError, AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { authentication, AuthenticationAudit } from 'nest-audit-trail/authentication';
import type { AuthenticationInputs } from 'nest-audit-trail/authentication';
import { listeners, OnAuditEvent } from 'nest-audit-trail/listeners';
import { assertEventInput } from '../../src/event/audit-event-input.js';
import type { AuditEventInput } from '../../src/event/audit-event-input.js';
import { TEXT_LIMITS } from '../../src/event/safe-text.js';
import { createSecretKeyTest } from '../../src/recorder/redaction/secret-key.js';
import { AUTHENTICATION_ACTIONS } from '../../src/features/authentication/actions.js';
import { KINDS } from '../../src/features/authentication/kinds.js';
import { send } from '../support/http-client.js';
import { describeGenerated } from '../support/docs/generated.js';
import { membersTable } from '../support/docs/members-table.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

/** What can have happened. */
type Helper = keyof AuthenticationInputs;

/** What each call must say of itself. `about` is the property whose value becomes the `resourceId`. */
interface Case {
  readonly helper: Helper;
  readonly input: Readonly<Record<string, unknown>>;
  readonly action: string;
  readonly about: string;
  /** What the event says besides what its action says; `userId` where that is not the input's. */
  readonly event?: Partial<AuditEventInput>;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

const about = { targetUserId: 'ann' };
const token = { tokenId: 'jti-1' };
const session = { sessionId: 's-1' };
const expiresAt = Date.UTC(2026, 0, 2);

const CASES: readonly Case[] = [
  {
    helper: 'login',
    input: { userId: 'ann', method: 'passkey' },
    action: 'authn_login_success',
    about: 'userId',
    details: { method: 'passkey' },
  },
  {
    helper: 'login',
    input: { userId: 'ann', account: 'ann@acme', outcome: 'success', attempts: 0 },
    action: 'authn_login_success',
    about: 'userId',
    details: { account: 'ann@acme', attempts: 0 },
  },
  {
    helper: 'login',
    input: { userId: 'ann', attempts: 2, maxAttempts: 2 },
    action: 'authn_login_successafterfail',
    about: 'userId',
    details: { attempts: 2, maxAttempts: 2 },
  },
  {
    helper: 'login',
    input: { outcome: 'failure', userId: 'ann', account: 'ann@acme', attempts: 2, maxAttempts: 3 },
    action: 'authn_login_fail',
    about: 'userId',
    event: { userId: '' },
    details: { account: 'ann@acme', attempts: 2, maxAttempts: 3 },
    metadata: { actorType: 'anonymous' },
  },
  {
    helper: 'login',
    input: { outcome: 'failure', userId: 'ann', attempts: 3, maxAttempts: 3, actorType: 'job' },
    action: 'authn_login_fail_max',
    about: 'userId',
    event: { userId: '' },
    details: { account: 'ann', attempts: 3, maxAttempts: 3 },
    metadata: { actorType: 'job' },
  },
  {
    helper: 'login-locked',
    input: { ...about, account: 'ann@acme', attempts: 5, reason: 'too many failures' },
    action: 'authn_login_lock',
    about: 'targetUserId',
    details: { account: 'ann@acme', attempts: 5, reason: 'too many failures' },
  },
  {
    helper: 'password-change',
    input: { userId: 'ann' },
    action: 'authn_password_change',
    about: 'userId',
  },
  {
    helper: 'password-change',
    input: { userId: 'root', targetUserId: 'ann', outcome: 'failure' },
    action: 'authn_password_change_fail',
    about: 'targetUserId',
  },
  {
    helper: 'impossible-travel',
    input: { userId: 'ann', from: 'DE', to: 'NZ' },
    action: 'authn_impossible_travel',
    about: 'userId',
    details: { from: 'DE', to: 'NZ' },
  },
  {
    helper: 'token-created',
    input: { ...token, kind: 'refresh', scopes: ['read', 'write'], expiresAt },
    action: 'authn_token_created',
    about: 'tokenId',
    details: { kind: 'refresh', scopes: ['read', 'write'], expiresAt: new Date(expiresAt) },
  },
  {
    helper: 'token-revoked',
    input: { ...token, ...about },
    action: 'authn_token_revoked',
    about: 'tokenId',
    details: about,
  },
  { helper: 'token-reused', input: token, action: 'authn_token_reuse', about: 'tokenId' },
  { helper: 'token-deleted', input: token, action: 'authn_token_delete', about: 'tokenId' },
  {
    helper: 'access-denied',
    input: {
      resource: 'invoice',
      resourceId: 'INV-7',
      attempted: 'invoice.approve',
      permission: ['approver'],
    },
    action: 'authz_fail',
    about: 'resourceId',
    event: { resource: 'invoice' },
    details: { attempted: 'invoice.approve', permission: ['approver'] },
  },
  {
    helper: 'permission-change',
    input: { ...about, userId: 'root', from: ['clerk'], to: 'approver' },
    action: 'authz_change',
    about: 'targetUserId',
    details: { from: ['clerk'], to: 'approver' },
  },
  {
    helper: 'admin-action',
    input: { activity: 'settings.import', resourceId: 'all', outcome: 'partial' },
    action: 'authz_admin',
    about: 'resourceId',
    event: { outcome: 'partial' },
    details: { activity: 'settings.import' },
  },
  {
    helper: 'privilege-change',
    input: { resource: 'report', resourceId: 'R-1', from: 'private', to: 'public' },
    action: 'privilege_permissions_changed',
    about: 'resourceId',
    event: { resource: 'report' },
    details: { from: 'private', to: 'public' },
  },
  { helper: 'session-created', input: session, action: 'session_created', about: 'sessionId' },
  { helper: 'session-renewed', input: session, action: 'session_renewed', about: 'sessionId' },
  {
    helper: 'session-expired',
    input: { ...session, ...about },
    action: 'session_expired',
    about: 'sessionId',
    details: about,
  },
  {
    helper: 'session-used-after-expiry',
    input: session,
    action: 'session_use_after_expire',
    about: 'sessionId',
  },
  {
    helper: 'logout',
    input: { ...session, userId: 'ann' },
    action: 'session_logout',
    about: 'sessionId',
  },
  { helper: 'user-created', input: about, action: 'user_created', about: 'targetUserId' },
  {
    helper: 'user-updated',
    input: { ...about, details: { changes: { name: 'Ann' } } },
    action: 'user_updated',
    about: 'targetUserId',
    details: { changes: { name: 'Ann' } },
  },
  { helper: 'user-archived', input: about, action: 'user_archived', about: 'targetUserId' },
  { helper: 'user-deleted', input: about, action: 'user_deleted', about: 'targetUserId' },
  {
    helper: 'impersonation-start',
    input: { ...about, impersonatorId: 'root', reason: 'ticket' },
    action: 'impersonation.start',
    about: 'targetUserId',
    event: { userId: 'root' },
    details: { reason: 'ticket' },
    metadata: { impersonatorId: 'root' },
  },
  {
    helper: 'impersonation-end',
    input: { ...about, impersonatorId: 'root' },
    action: 'impersonation.end',
    about: 'targetUserId',
    event: { userId: 'root' },
    metadata: { impersonatorId: 'root' },
  },
];

/** Records by a service that only keeps what it would record. */
async function build(helper: Helper, input?: unknown): Promise<AuditEventInput> {
  let kept: AuditEventInput | undefined;
  const record = async (event: AuditEventInput) => {
    assertEventInput(event);
    kept = event;
    return {} as AuditLogEvent;
  };
  await new AuthenticationAudit({ record }).record(helper, input as never);
  return kept!;
}

const helpers = Object.keys(KINDS);

describe('the vocabulary of authentication', () => {
  const vocabulary = JSON.parse(
    readFileSync('test/support/standards/owasp-logging-vocabulary.json', 'utf8'),
  ) as {
    name: string;
    level: string;
    category: string;
  }[];
  const ours = ['impersonation.start', 'impersonation.end'];
  const chapters: Record<string, string> = {
    AUTHN: 'authentication',
    SESSION: 'authentication',
    AUTHZ: 'authorization',
    PRIVILEGE: 'authorization',
    USER: 'security',
  };
  const levels: Record<string, string> = { INFO: 'low', WARN: 'medium', CRITICAL: 'high' };

  it("is OWASP's, complete in its chapters, by category and level", () => {
    expect(vocabulary).toHaveLength(57);
    const expected = vocabulary
      .filter(({ category }) => chapters[category] !== undefined)
      .map(({ name, level, category }) => [name, chapters[category], levels[level]]);
    const actual = Object.entries(AUTHENTICATION_ACTIONS)
      .filter(([name]) => !ours.includes(name))
      .map(([name, { category, severity }]) => [name, category, severity]);
    expect(actual.sort()).toEqual(expected.sort());
    expect(Object.keys(AUTHENTICATION_ACTIONS)).toEqual(expect.arrayContaining(ours));
    expect(vocabulary.filter(({ name }) => /impersonat/.test(name))).toEqual([]);
  });

  it('is spoken, every word of it, by the helpers, every one of them', () => {
    expect([...new Set(CASES.map(({ action }) => action))].sort()).toEqual(
      Object.keys(AUTHENTICATION_ACTIONS).sort(),
    );
    expect([...new Set(CASES.map(({ helper }) => helper))].sort()).toEqual([...helpers].sort());
  });
});

describe('an authentication helper', () => {
  it.each(CASES)('$helper of $input is $action', async ({ helper, input, action, ...expected }) => {
    const said = AUTHENTICATION_ACTIONS[action as keyof typeof AUTHENTICATION_ACTIONS];
    expect(await build(helper, input)).toEqual({
      ...said,
      action,
      resourceId: input[expected.about],
      ...(input['userId'] !== undefined && { userId: input['userId'] }),
      ...(input['sessionId'] !== undefined && { sessionId: input['sessionId'] }),
      ...expected.event,
      details: expected.details ?? {},
      metadata: expected.metadata ?? {},
    });
  });

  it.each([...new Set(CASES.map(({ helper }) => helper))])(
    '%s passes on what all of them take',
    async (helper) => {
      const { input } = CASES.find((one) => one.helper === helper)!;
      const common = {
        tenantId: 'acme',
        ipAddress: '192.0.2.7',
        userAgent: 'curl',
        timestamp: 1_767_225_600_000,
        severity: 'critical',
      };
      const built = await build(helper, {
        impersonatorId: 'root',
        sessionId: 's-9',
        ...input,
        ...common,
        reason: 'why',
        actorType: 'service',
        details: { more: 1, reason: 'not this one' },
        metadata: { region: 'eu', actorType: 'nor this' },
      });
      expect(built).toMatchObject({
        ...common,
        sessionId: input['sessionId'] ?? 's-9',
        details: { more: 1, reason: 'why' },
        metadata: { region: 'eu', actorType: 'service', impersonatorId: 'root' },
      });
    },
  );

  it('keeps nothing under a key that is redacted', async () => {
    const isSecret = createSecretKeyTest();
    for (const { helper, input } of CASES) {
      const { details, metadata } = await build(helper, input);
      expect(Object.keys({ ...details, ...metadata }).filter(isSecret)).toEqual([]);
    }
  });

  const wrong: [Helper, unknown, string | undefined, string][] = [
    ['login', undefined, undefined, "record('login') takes an object"],
    ['login', [], undefined, "record('login') takes an object"],
    ['login', {}, 'userId', "record('login') needs userId"],
    ['login', { account: 'ann' }, 'userId', "record('login') needs userId"],
    ['login', { userId: 7 }, 'userId', 'needs userId, a text'],
    ['login', { userId: 'ann', outcome: 'partial' }, 'outcome', "must be 'success' or 'failure'"],
    ['login', { userId: 'ann', attempts: -1 }, 'attempts', 'must be an integer from 0'],
    ['login', { userId: 'ann', attempts: '3' }, 'attempts', 'must be an integer from 0'],
    ['login', { userId: 'ann', password: 'x' }, 'password', 'it takes tenantId, userId, '],
    ['login', { userId: 'ann', details: 'x' }, 'details', 'must be an object'],
    ['login', { userId: 'ann', metadata: ['x'] }, 'metadata', 'must be an object'],
    ['login', { userId: 'ann', severity: 'grave' }, 'severity', 'severity'],
    ['login', { userId: 'ann', tenantId: '' }, 'tenantId', 'tenantId'],
    ['login', { userId: 'ann', sessionId: 7 }, 'sessionId', 'sessionId'],
    ['login', { userId: 'ann', reason: 7 }, 'reason', 'must be a text'],
    ['login-locked', { attempts: 3 }, 'targetUserId', 'needs a targetUserId or an account'],
    ['password-change', {}, 'userId', 'needs userId'],
    ['impossible-travel', { userId: 'ann', from: 'DE' }, 'to', 'needs to'],
    ['token-created', { kind: 'refresh' }, 'tokenId', "record('token-created') needs tokenId"],
    ['token-revoked', { ...token, scopes: [1] }, 'scopes', 'must be a text or a list of texts'],
    ['token-reused', { ...token, expiresAt: 'soon' }, 'expiresAt', 'must be a time'],
    ['token-deleted', { ...token, expiresAt: Number.NaN }, 'expiresAt', 'must be a time'],
    ['access-denied', { resourceId: '7' }, 'resource', 'needs resource'],
    ['permission-change', { from: 'a', to: 'b' }, 'targetUserId', 'needs targetUserId'],
    ['admin-action', {}, 'activity', 'needs activity'],
    ['admin-action', { activity: 'a', outcome: 'maybe' }, 'outcome', 'outcome'],
    ['privilege-change', {}, 'resource', 'needs resource'],
    ['session-expired', {}, 'sessionId', 'needs sessionId'],
    ['logout', { sessionid: 's' }, 'sessionid', `record('logout') has no property "sessionid"`],
    ['user-deleted', { userId: 'root' }, 'targetUserId', 'needs targetUserId'],
    ['impersonation-start', about, 'impersonatorId', 'needs impersonatorId'],
    ['impersonation-end', { ...about, impersonatorId: 'root', userId: 'x' }, 'userId', 'no property'],
  ];

  it.each(wrong)('%s refuses %j, naming %s', async (helper, input, field, message) => {
    const error = await build(helper, input).then(
      () => 'recorded',
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(AuditError);
    expect((error as AuditError).code).toBe('AUDIT_INVALID_EVENT');
    expect((error as AuditError).field).toBe(field);
    expect((error as AuditError).message).toContain('The audit event was not recorded: ');
    expect((error as AuditError).message).toContain(message);
  });

  it('takes any name that a client can send, and an id made safe', async () => {
    for (const [account, kept] of [
      ['', ''],
      ['\u0000\r\n', '\u0000\r\n'],
      [undefined, undefined],
      [null, undefined],
      [7, '7'],
      [{ $ne: null }, '[object]'],
      [['ann'], '[object]'],
    ]) {
      const { details } = await build('login', { outcome: 'failure', account });
      expect(details!['account']).toBe(kept);
    }
    const { resourceId, sessionId } = await build('session-used-after-expiry', {
      sessionId: `\u0000${'x'.repeat(1_000)}`,
    });
    expect(resourceId).toBe(sessionId);
    expect(resourceId).toMatch(/^\\u0000x+…\[sha256:[\w-]{22}\]$/);
    expect(resourceId!.length).toBeLessThanOrEqual(TEXT_LIMITS.resourceId);
    expect(await build('logout', {})).toMatchObject({ action: 'session_logout' });
  });
});

describeOnSqlite('authentication events', (create) => {
  let database: TestDatabase;
  let app: INestApplication | undefined;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  it('are stored beside the request that they are of', async () => {
    const locked: string[] = [];
    @Controller('auth')
    class AuthController {
      constructor(private readonly authentication: AuthenticationAudit) {}

      @Post('login') async login(@Body() { name }: { name: unknown }) {
        const account = name as string;
        if (name !== 'ann') {
          await this.authentication.record('login', { outcome: 'failure', account, method: 'password' });
          return {};
        }
        await this.authentication.record('login', { userId: 'u-1', tenantId: 'acme', account, attempts: 2 });
        return {};
      }

      @Post('every') async every(@Body() _body: unknown) {
        for (const { helper, input } of CASES) {
          await this.authentication.record(helper, input as never);
        }
        return {};
      }

      @OnAuditEvent({ action: 'authn_login_*', outcome: 'failure' }) failed({ details }: AuditLogEvent) {
        locked.push(String(details['account']));
      }
    }
    @Module({
      imports: [
        AuditModule.forRoot({
          database: database.options,
          delivery: { directory: database.journal },
          features: [authentication(), listeners()],
        }),
      ],
      controllers: [AuthController],
    })
    class AuthModule {}
    app = await NestFactory.create(AuthModule, { logger: false, abortOnError: false });
    // A user that is logged in already, and tries another name.
    app.use((request: { user?: unknown }, _response: unknown, next: () => void) => {
      request.user = { id: 'u-9', tenantId: 'acme', sid: 's-9', impersonatorId: 'root', roles: ['admin'] };
      next();
    });
    await app.listen(0, '127.0.0.1');
    const audit = app.get(AuditService);
    const { port } = app.getHttpServer().address() as AddressInfo;
    const post = (path: string, body: unknown, id: string) =>
      send(port, {
        method: 'POST',
        path: `/auth/${path}`,
        body: JSON.stringify(body),
        headers: { 'x-request-id': id, 'user-agent': 'browser' },
      });
    const eventsOf = async (requestId: string) => {
      await audit.flush();
      const { events } = await audit.find({ allTenants: true, metadata: { requestId }, order: 'oldest' });
      return events.filter(({ action }) => !action.startsWith('auth.'));
    };

    expect((await post('login', { name: { $ne: '' } }, 'bad')).status).toBe(201);
    const [bad] = await eventsOf('bad');
    expect(bad).toMatchObject({
      action: 'authn_login_fail',
      tenantId: 'acme',
      resource: 'user',
      details: { account: '[object]', method: 'password' },
      category: 'authentication',
      severity: 'medium',
      outcome: 'failure',
      ipAddress: '127.0.0.1',
      userAgent: 'browser',
      metadata: { actorType: 'anonymous' },
    });
    expect(bad).not.toHaveProperty('userId');
    expect(bad).not.toHaveProperty('resourceId');
    for (const name of ['impersonatorId', 'roles']) expect(bad!.metadata).not.toHaveProperty(name);

    await post('login', { name: 'ann' }, 'good');
    expect(await eventsOf('good')).toEqual([
      expect.objectContaining({
        action: 'authn_login_successafterfail',
        userId: 'u-1',
        resourceId: 'u-1',
        sessionId: 's-9',
        details: { account: 'ann', attempts: 2 },
      }),
    ]);

    await post('every', {}, 'every');
    const every = await eventsOf('every');
    expect(every.map(({ action }) => action).sort()).toEqual(CASES.map(({ action }) => action).sort());
    const created = every.find(({ action }) => action === 'authn_token_created');
    expect(created).toMatchObject({
      userId: 'u-9',
      resourceId: 'jti-1',
      details: { kind: 'refresh', scopes: ['read', 'write'], expiresAt: '2026-01-02T00:00:00.000Z' },
      metadata: { impersonatorId: 'root' },
    });
    const history = await audit.history({ tenantId: 'acme', resource: 'user', resourceId: 'ann' });
    expect(history.events.length).toBe(CASES.filter(({ about: of }) => of.endsWith('serId')).length);
    await app.close();
    expect(locked.slice(0, 1)).toEqual(['[object]']);
    expect(locked.slice(1).sort()).toEqual(['ann', 'ann@acme']);
  });
});

const names = new Map<string, string[]>();
for (const { helper, action, about: of } of CASES) {
  const said = AUTHENTICATION_ACTIONS[action as keyof typeof AUTHENTICATION_ACTIONS];
  const { category, severity, outcome, resource } = said;
  const about = action === 'authn_password_change' ? 'targetUserId' : of;
  const row = [helper, action, category, severity, outcome, resource ?? 'as given', about];
  names.set(
    `${helper} ${action}`,
    row.map((text) => (text === 'as given' ? text : `\`${text}\``)),
  );
}

describeGenerated('docs/record/authentication.md', {
  names: membersTable(
    ['Name', 'Action', 'Category', 'Severity', 'Outcome', 'Resource', 'It is about'],
    [...names.values()],
    (row) => row,
  ),
});

it.each(CASES)('has its resource from its list of actions: $helper, $action', ({ action, event }) => {
  const { resource } = AUTHENTICATION_ACTIONS[action as keyof typeof AUTHENTICATION_ACTIONS];
  expect(event?.resource === undefined || resource === undefined).toBe(true);
});
