// Two ids that differ (by control characters, by halves of surrogate pairs, far behind their beginning) never become one: not of tenants, whose
// events nobody else may read, and not of users, things and sessions, who have a history and can be forgotten.
import { randomBytes } from 'node:crypto';
import { AuditService } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { eventually } from '../../support/eventually.js';
import { send } from '../../support/http-client.js';
import { startThings } from '../../support/things-app.js';
import { describeEachDatabase, withoutThread } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

const ALL = { allTenants: true } as const;
const LONG = 'x'.repeat(300);
/** Each was stored as another one. */
const STRANGE = [
  'a\u0085b',
  'a\\u0085b\u0085',
  'acme\u202e',
  'acme\ud800',
  'acme\udfff',
  'acme\ufffd\ud800',
  `${LONG}1`,
  `${LONG}2`,
  `${'🧾'.repeat(150)}1`,
  `${'🧾'.repeat(150)}2`,
];

describeEachDatabase('ids that can not be stored as they are', (create) => {
  withoutThread('what is protected is encrypted by the main thread');
  let database: TestDatabase;
  let things: Awaited<ReturnType<typeof startThings>>;
  let audit: AuditService;
  let who: { tenant?: string; user?: string; session?: string } = {};

  beforeAll(async () => {
    database = await create();
    things = await startThings({
      database: database.options,
      delivery: { directory: database.journal, drainOnSignals: false },
      capture: {
        resolve: { user: () => who.user, tenant: () => who.tenant, session: () => who.session },
      },
      features: [
        protection({ fields: ['ipAddress'], masterKey: randomBytes(32).toString('base64') }),
        retention(),
      ],
    });
    ({ audit } = things);
  });

  afterAll(async () => {
    await things.close();
    await database.drop();
  });

  /** The event of a request by whoever it is. */
  async function eventOf(as: typeof who): Promise<AuditLogEvent> {
    who = as;
    const requestId = randomBytes(8).toString('hex');
    await send(things.port, { method: 'POST', path: '/things/one', headers: { 'x-request-id': requestId } });
    await eventually(() => audit.flush());
    const { events } = await audit.find({ ...ALL, metadata: { requestId }, reveal: true });
    expect(events).toHaveLength(1);
    return events[0]!;
  }

  it('are of as many tenants as there are, in a form that no other tenant can take', async () => {
    const stored = new Map<string, string>();
    for (const tenant of STRANGE) stored.set(tenant, (await eventOf({ tenant })).tenantId);
    expect(new Set(stored.values()).size).toBe(STRANGE.length);
    for (const form of stored.values()) {
      expect(form.length).toBeLessThanOrEqual(128);
      // Who calls themselves as another one is stored is not that one.
      const pretender = (await eventOf({ tenant: form })).tenantId;
      expect([...stored.values()]).not.toContain(pretender);
    }
    expect((await eventOf({ tenant: 'büro 🧾' })).tenantId).toBe('büro 🧾');
    expect((await audit.find({ tenantId: 'büro 🧾' })).events).toHaveLength(1);
  });

  it('are refused as the tenant of a read, in either form', async () => {
    const form = (await eventOf({ tenant: `${LONG}1` })).tenantId;
    for (const tenantId of [...STRANGE, form]) {
      const retained = () => things.get(AuditRetention);
      const reads: Record<string, () => unknown> = {
        find: () => audit.find({ tenantId }),
        findById: () => audit.findById('x', { tenantId }),
        stream: () => audit.stream({ tenantId }),
        history: () => audit.history({ tenantId, resource: 'a', resourceId: 'b' }),
        statistics: () => audit.statistics({ tenantId }),
        observe: () => audit.observe({ tenantId }),
        deadLetters: () => audit.deadLetters({ tenantId }),
        replayDeadLetters: () => audit.replayDeadLetters({ tenantId }),
        storage: () => retained().storage({ tenantId }),
        holds: () => retained().holds({ tenantId }),
        placeHold: () => retained().placeHold({ tenantId, reason: 'case 7', placedBy: 'ann' }),
        forget: () => things.get(DataProtection).forget({ tenantId, subjectId: 'ann' }),
        exportSubject: () => things.get(DataProtection).exportSubject({ tenantId, subjectId: 'ann' }),
        prove: () => audit.prove('x', { tenantId }),
      };
      for (const [method, read] of Object.entries(reads)) {
        const outcome = await (async () => read())().catch((error: unknown) => error);
        expect([method, outcome]).toEqual([
          method,
          expect.objectContaining({ code: 'AUDIT_INVALID_QUERY', field: 'tenantId' }),
        ]);
      }
    }
  });

  it('are of as many users and sessions as there are, whom reads find by their ids', async () => {
    for (const user of STRANGE) {
      const { userId, sessionId } = await eventOf({ tenant: 'users', user, session: user });
      expect(userId!.length).toBeLessThanOrEqual(255);
      for (const query of [
        { userId: user },
        { sessionId: user },
        { userId: userId! },
        { sessionId: sessionId! },
      ]) {
        const { events } = await audit.find({ tenantId: 'users', ...query });
        expect(events).toMatchObject([{ userId, sessionId }]);
      }
    }
    const { byUser } = await audit.statistics({ tenantId: 'users', top: 100 }).then((statistics) => ({
      byUser: JSON.stringify(statistics),
    }));
    for (const { userId } of (await audit.find({ tenantId: 'users' })).events) {
      expect(byUser).toContain(JSON.stringify(userId));
    }
  });

  it('are of things and sessions that nobody can take by the form in which another one is stored', async () => {
    const record = (id: string) =>
      audit.record({
        tenantId: 'things',
        action: 'thing.read',
        resource: 'thing',
        resourceId: id,
        sessionId: id,
      });
    const long = await record('INV-7\u0085');
    const pretender = await record(long.resourceId!);
    expect(pretender.resourceId).toMatch(/…\[sha256:[\w-]{22}\]$/);
    expect(pretender.sessionId).toBe(pretender.resourceId);
    expect(pretender.resourceId).not.toBe(long.resourceId);
    await eventually(() => audit.flush());
    const scope = { tenantId: 'things', resource: 'thing' };
    const shown = await audit.history({ ...scope, resourceId: long.resourceId! });
    expect(shown.events.map(({ id }) => id)).toEqual([long.id]);
    const own = await audit.history({ ...scope, resourceId: 'INV-7\u0085' });
    expect(own.events.map(({ id }) => id)).toEqual([long.id]);
  });

  it('are of persons who are forgotten one by one', async () => {
    const events = new Map<string, AuditLogEvent>();
    for (const user of STRANGE) events.set(user, await eventOf({ tenant: 'persons', user }));
    for (const [place, subjectId] of STRANGE.entries()) {
      await things.get(DataProtection).forget({ tenantId: 'persons', subjectId });
      for (const [other, user] of STRANGE.entries()) {
        const event = await audit.findById(events.get(user)!.id, { tenantId: 'persons', reveal: true });
        expect([user, event?.ipAddress]).toEqual([user, other <= place ? '[erased]' : '127.0.0.1']);
      }
    }
    const form = (await eventOf({ tenant: 'persons', user: `${LONG}3` })).userId!;
    // As the event has it.
    expect(await things.get(DataProtection).forget({ tenantId: 'persons', subjectId: form })).toMatchObject({
      keys: 1,
    });
  });
});
