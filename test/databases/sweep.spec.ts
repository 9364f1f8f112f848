// What several processes see together: decided by the store, found once, whoever looks and whenever.
import type { AuditLogEvent } from 'nest-audit-trail';
import { Detector } from '../../src/features/detection/detector.js';
import type { DetectionOptions } from '../../src/features/detection/detection-options.js';
import { AuditDatabase } from '../../src/store/audit-database.js';
import { AuditEventRepository } from '../../src/store/audit-event.repository.js';
import { tellsOfAudit, meets } from '../../src/features/detection/detections.js';
import { userHistory } from '../../src/features/risk/user-history.js';
import { DetectionRepository } from '../../src/features/detection/detection.repository.js';
import type { EventCondition } from '../../src/features/detection/detection.repository.js';
import { eventually } from '../support/eventually.js';
import { describeEachDatabase, withoutThread } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { failedLogin, findingEvent, ListeningHost, silent, watched } from '../support/watched.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describeEachDatabase('detection', (create, name) => {
  withoutThread('no application');
  let database: TestDatabase;
  let connection: AuditDatabase;
  let events: AuditEventRepository;
  let repository: DetectionRepository;
  let now: number;

  beforeAll(async () => {
    database = await create();
    connection = new AuditDatabase({ database: database.options }, silent);
    await connection.connect(10_000);
    events = new AuditEventRepository(connection);
    repository = new DetectionRepository(connection);
  });

  afterAll(() => connection.close());

  let tenant = 0;
  let acme: string;
  beforeEach(() => {
    tenant += 1;
    acme = `acme-${tenant}`;
    now = Date.now();
  });

  /** One process: it stores what it records, and looks for what all have. */
  function process(
    options: DetectionOptions = {},
    store = repository,
    { host = new ListeningHost(events), eventsASweep }: { host?: ListeningHost; eventsASweep?: number } = {},
  ) {
    const detector = new Detector(options, store, host, silent, undefined, eventsASweep);
    const record = async (...recorded: AuditLogEvent[]) => {
      for (const event of recorded) detector.observe(event);
      await events.append(recorded);
    };
    return { host, detector, record };
  }

  const login = (index: number, more: Partial<AuditLogEvent> = {}) =>
    failedLogin({ tenantId: acme, ipAddress: '192.0.2.1', timestamp: now - 10_000 + index, ...more });

  const logins = (count: number, from = 0) =>
    Array.from({ length: count }, (_, index) => login(from + index));

  const findingsIn = (tenantId = acme) =>
    events.find({ tenantId, actionPrefix: ['detection.'] }, { limit: 100, order: 'oldest' });

  it('finds what each of two processes has half of, once', async () => {
    const [one, other] = [process(), process()];
    const all = logins(10);
    for (const [index, event] of all.entries()) await (index % 2 ? one : other).record(event);
    expect([one.host.reported, other.host.reported]).toEqual([[], []]);
    await Promise.all([one.detector.sweep(), other.detector.sweep()]);
    const found = await findingsIn();
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      action: 'detection.brute-force',
      timestamp: all[9]!.timestamp,
      tenantId: acme,
      ipAddress: '192.0.2.1',
      details: {
        by: 'address',
        key: '192.0.2.1',
        count: 10,
        firstAt: all[0]!.timestamp,
        lastAt: all[9]!.timestamp,
        eventIds: all.map(({ id }) => id),
      },
    });
    // More of the same, later sweeps of either: it stays one.
    await one.record(login(20), login(22));
    await other.record(login(21));
    await one.detector.sweep();
    await other.detector.sweep();
    expect(await findingsIn()).toHaveLength(1);
  });

  it('finds an account that is attacked from everywhere', async () => {
    const [one, other] = [process(), process()];
    for (let index = 0; index < 10; index += 1) {
      const account = index % 2 ? 'Jo' : 'jo';
      const who = index === 9 ? { userId: 'jo' } : { details: { account } };
      await (index % 2 ? one : other).record(login(index, { ipAddress: `192.0.2.${index}`, ...who }));
    }
    await one.detector.sweep();
    await other.detector.sweep();
    const found = await findingsIn();
    expect(found.map(({ details }) => [details['by'], details['key'], details['count']])).toEqual([
      ['account', 'jo', 10],
    ]);
    expect(found[0]).not.toHaveProperty('userId');
  });

  it('finds breadth, mass exports and privilege escalation', async () => {
    const [one, other] = [process(), process()];
    const add = (index: number, more: Partial<AuditLogEvent>) =>
      (index % 2 ? one : other).record(watched({ tenantId: acme, timestamp: now - 60_000 + index, ...more }));
    for (let index = 0; index < 100; index += 1) {
      // The same thing again counts once, and so does the list without an id.
      await add(index, { userId: 'reader', resourceId: `i-${index % 99}` });
      if (index < 4) await add(index, { userId: 'reader', resource: 'customer', resourceId: 'i-1' });
    }
    for (let index = 0; index < 4; index += 1) {
      await add(index, {
        userId: 'exporter',
        action: 'invoice.list',
        details: { recordCount: 2_400, note: '"count":5' },
      });
      await add(index, { userId: 'other', action: 'invoice.list', details: { recordCount: 2_499 } });
    }
    await add(4, {
      userId: 'exporter',
      action: 'invoice.export',
      outcome: 'partial',
      details: { rows: '400' },
    });
    for (let index = 0; index < 3; index += 1) {
      await add(index, { userId: 'climber', category: 'authorization', outcome: 'failure' });
      await add(index, { userId: 'admin', action: 'role.grant', category: 'data_modification' });
    }
    await add(9, { userId: 'climber', action: 'user.ROLE', category: 'data_modification' });
    await one.detector.sweep();
    await other.detector.sweep();
    const found = await findingsIn();
    expect(found.map(({ action, userId, details }) => [action, userId, details['count']]).sort()).toEqual([
      ['detection.mass-export', 'exporter', 10_000],
      ['detection.privilege-escalation', 'climber', 3],
      ['detection.resource-breadth', 'reader', 100],
    ]);
  });

  describe('of a foreign tenant', () => {
    const visit = (userId: string, tenantId: string, agoMs: number) =>
      watched({ userId, tenantId, timestamp: now - agoMs });
    const foreign = async (...tenants: string[]) => {
      const found = await Promise.all(tenants.map((name) => findingsIn(name)));
      return found.flat().map(({ tenantId, userId, severity }) => [tenantId, userId, severity]);
    };

    it('names the one that is not the usual one, whichever came last', async () => {
      const [one, other] = [process(), process()];
      const home = `${acme}-home`;
      const strange = `${acme}-strange`;
      for (const user of ['first', 'last']) await events.append([visit(`${acme}-${user}`, home, 5 * HOUR)]);
      await one.record(visit(`${acme}-first`, home, 4_000));
      await other.record(visit(`${acme}-first`, strange, 3_000));
      await other.record(visit(`${acme}-last`, strange, 2_000));
      await one.record(visit(`${acme}-last`, home, 1_000));
      await one.detector.sweep();
      await other.detector.sweep();
      expect(await foreign(home, strange)).toEqual([
        [strange, `${acme}-first`, 'critical'],
        [strange, `${acme}-last`, 'critical'],
      ]);
    });

    it('is none where the user is at home in both, in one alone, or not within the window', async () => {
      const one = process();
      const [a, b] = [`${acme}-a`, `${acme}-b`];
      await events.append([visit(`${acme}-both`, a, 5 * HOUR), visit(`${acme}-both`, b, 6 * HOUR)]);
      await events.append([visit(`${acme}-moved`, a, 2 * HOUR)]);
      await one.record(visit(`${acme}-both`, a, 2_000), visit(`${acme}-both`, b, 1_000));
      await one.record(visit(`${acme}-new`, a, 2_000), visit(`${acme}-new`, 'default', 1_000));
      await one.record(visit(`${acme}-moved`, b, 1_000));
      await one.detector.sweep();
      expect(await foreign(a, b, 'default')).toEqual([]);
    });

    it('of a user without a past is the second', async () => {
      const one = process();
      const [a, b] = [`${acme}-a`, `${acme}-b`];
      await one.record(visit(`${acme}-new`, b, 2_000), visit(`${acme}-new`, a, 1_000));
      await one.detector.sweep();
      expect(await foreign(a, b)).toEqual([[a, `${acme}-new`, 'critical']]);
    });

    it('is looked for again while the database is away, and not reported unseen', async () => {
      const host = new ListeningHost(events, () => Promise.reject(new Error('away')));
      const detector = new Detector({}, repository, host, silent);
      detector.observe(visit(`${acme}-u`, `${acme}-a`, 2_000));
      detector.observe(visit(`${acme}-u`, `${acme}-b`, 1_000));
      await detector.sweep();
      expect(host.reported).toEqual([]);
    });
  });

  it('finds the attack in a flood of addresses', async () => {
    const one = process({ rapidActions: { enabled: false } });
    const flood = Array.from({ length: 2_000 }, (_, index) =>
      login(index, { ipAddress: `10.0.${index >> 8}.${index & 255}` }),
    );
    for (let index = 0; index < flood.length; index += 200) {
      await one.record(...flood.slice(index, index + 200), login(index));
    }
    await one.detector.sweep();
    expect((await findingsIn()).map(({ details }) => details['key'])).toEqual(['192.0.2.1']);
    expect(one.detector.size['brute-force by address']).toBe(2_001);
  });

  it('finds the victim in a flood of accounts that no sweep reads to its end, while the flood goes on', async () => {
    let read = 0;
    const counting = Object.assign(Object.create(repository) as DetectionRepository, {
      matching: async (...args: Parameters<DetectionRepository['matching']>) => {
        const page = await repository.matching(...args);
        read += page.length;
        return page;
      },
    });
    const one = process({ bruteForce: { threshold: 20 } }, counting, { eventsASweep: 500 });
    const attempt = (index: number, account: string) =>
      login(index, { ipAddress: `10.1.${index >> 8}.${index & 255}`, details: { account } });
    // More than three sweeps can read, all within a window, and the victim at its end.
    for (let index = 0; index < 1_700; index += 100) {
      await one.record(
        ...Array.from({ length: 100 }, (_, each) => attempt(index + each, `f-${(index + each) % 150}`)),
      );
    }
    await one.record(...Array.from({ length: 20 }, (_, each) => attempt(1_700 + each, 'victim')));
    let sweeps = 0;
    let found: AuditLogEvent[] = [];
    while (found.length === 0 && sweeps < 20) {
      read = 0;
      await one.detector.sweep();
      expect(read).toBeLessThanOrEqual(1_000);
      const index = 1_800 + sweeps * 100;
      await one.record(...Array.from({ length: 100 }, (_, each) => attempt(index + each, `f-${each}`)));
      found = await findingsIn();
      sweeps += 1;
    }
    expect(found.map(({ details }) => details['key'])).toEqual(['victim']);
    expect(sweeps).toBeGreaterThan(3);
    expect(sweeps).toBeLessThan(8);
    // What came meanwhile is read to its end too.
    for (let more = 0; more < 20; more += 1) await one.detector.sweep();
    read = 0;
    await one.detector.sweep();
    expect(read).toBe(0);
    expect(await findingsIn()).toHaveLength(1);
  });

  it('counts a bad login once where the application and its request record it', async () => {
    const one = process();
    const pair = (index: number) => [
      login(10 * index, { metadata: { requestId: `r-${index}`, durationMs: 5 } }),
      login(10 * index + 4, { metadata: { requestId: `r-${index}` } }),
    ];
    await one.record(...Array.from({ length: 9 }, (_, index) => pair(index)).flat());
    await one.detector.sweep();
    expect(await findingsIn()).toEqual([]);
    await one.record(...pair(9));
    await one.detector.sweep();
    const [found, ...more] = await findingsIn();
    expect(found!.details).toMatchObject({ by: 'address', count: 10 });
    expect(more).toEqual([]);
  });

  it('finds a client that changes its address within its network', async () => {
    const [one, other] = [process(), process()];
    for (let index = 0; index < 10; index += 1) {
      const ipAddress = index % 3 ? `2001:db8::${index}` : `2001:db8::1:0:0:${index}`;
      await (index % 2 ? one : other).record(login(index, { ipAddress }));
      // Another network, whose addresses sort among them.
      await one.record(login(index, { ipAddress: `2001:db8:0:${index + 1}::1` }));
    }
    await one.detector.sweep();
    await other.detector.sweep();
    const found = await findingsIn();
    expect(found.map(({ details }) => [details['key'], details['count']])).toEqual([['2001:db8::/64', 10]]);
    expect(found[0]).not.toHaveProperty('ipAddress');
  });

  it('reads more events of a key than one page has', async () => {
    const one = process({ rapidActions: { threshold: 1_000, windowSeconds: 120 } });
    const many = Array.from({ length: 1_200 }, (_, index) =>
      watched({ tenantId: acme, userId: 'busy', timestamp: now - 30_000 + index }),
    );
    await one.record(...many);
    await one.detector.sweep();
    const [found, ...more] = await findingsIn();
    expect(more).toEqual([]);
    expect(found!.details).toMatchObject({ count: 1_000, lastAt: many[999]!.timestamp });
    expect(found!.details['eventIds']).toEqual(many.slice(950, 1_000).map(({ id }) => id));
  });

  describe('the database', () => {
    const conditions: EventCondition[] = [
      {},
      { category: 'authentication' },
      { outcomes: ['success', 'partial'] },
      { category: 'data_access', outcomes: ['failure'] },
      { anonymous: true },
      { actionEnd: '.export' },
      { actionParts: ['role', 'permission'] },
      { detailsKeys: ['count', 'rows'] },
      { detailsKeys: ['say "x"'] },
      { category: 'security' },
    ];
    const facts: Partial<AuditLogEvent>[] = [
      {},
      { category: 'authentication', outcome: 'failure' },
      { category: 'data_access', outcome: 'failure', userId: 'u-1' },
      { outcome: 'partial', action: 'invoice.export' },
      { action: 'invoice.exports' },
      { action: 'User.Change-ROLE', userId: 'u-2' },
      { details: { count: 3 } },
      { details: { note: '"count":3', counter: 1, 'my.rows': 2 } },
      { details: { 'say "x"': 1 } },
      { category: 'security', resource: 'detection' },
      { category: 'security', resource: 'alarm' },
      { category: 'system', resource: 'audit' },
      { category: 'data_access', resource: 'audit' },
    ];

    it('knows the same conditions as the memory', async () => {
      const all = facts.map((one, index) => watched({ tenantId: acme, timestamp: now + index, ...one }));
      await events.append([...all, watched({ tenantId: `${acme}-x`, timestamp: now })]);
      for (const condition of conditions) {
        const query = { tenantIds: [acme], any: [condition], from: now };
        const found = await repository.matching(query, { after: '', limit: 100, facts: ['details'] });
        const expected = all.filter((event) => !tellsOfAudit(event) && meets(event, condition));
        expect([condition, found.map(({ id }) => id)]).toEqual([condition, expected.map(({ id }) => id)]);
      }
    });

    it('answers pages of what was stored, with details where they are asked for', async () => {
      const all = facts.map((one, index) =>
        watched({ tenantId: acme, timestamp: now + index, ipAddress: '192.0.2.1', resourceId: 'r', ...one }),
      );
      await events.append(all);
      const query = {
        tenantIds: [acme, 'nobody'],
        any: [{ anonymous: true as const }, { actionParts: ['role'] }],
        from: now + 1,
      };
      const [first] = await repository.matching(query, { after: all[4]!.id, limit: 1, facts: ['details'] });
      const { severity: _s, riskScore: _r, complianceFlags: _c, metadata: _m, ...seen } = all[5]!;
      expect(first).toEqual(seen);
      const [bare] = await repository.matching(query, { after: all[5]!.id, limit: 1, facts: [] });
      expect(bare).toMatchObject({ id: all[6]!.id, details: {} });
    });

    it('counts by key, events or different things', async () => {
      const make = (userId: string, resourceId: string, more: Partial<AuditLogEvent> = {}) =>
        watched({ tenantId: acme, userId, resourceId, timestamp: now, ...more });
      await events.append([
        ...['1', '2', '3'].map((id) => make('broad', id)),
        ...['1', '1', '1', '1'].map((id) => make('busy', id)),
        ...['1', '2', '3', '4'].map((id) => make('stranger', id)),
        make('less', '1'),
        ...['1', '2', '3'].map((id) => make('less', id, { outcome: 'failure' })),
        ...['1', '2', '3'].map((id) => make('less', id, { timestamp: now - 1 })),
        ...['1', '2', '3'].map((id) => make('less', id, { tenantId: `${acme}-x` })),
      ]);
      const query = {
        tenantIds: [acme],
        any: [{ outcomes: ['success' as const] }],
        keys: { column: 'user_id' as const, values: ['broad', 'busy', 'less', 'nobody'] },
        from: now,
      };
      expect(await repository.keysReaching(query, 3, false)).toEqual(['busy', 'broad']);
      expect(await repository.keysReaching(query, 3, true)).toEqual(['broad']);
    });

    it('finds a user in every tenant, however many there are', async () => {
      const tenants = Array.from(
        { length: 1_200 },
        (_, index) => `${acme}-${String(index).padStart(4, '0')}`,
      );
      await events.append(tenants.map((tenantId) => watched({ tenantId, timestamp: now })));
      const visited = [tenants[0]!, tenants[499]!, tenants[500]!, tenants[1_199]!];
      const at = (timestamp: number) => (tenantId: string) =>
        watched({ tenantId, userId: `${acme}-u`, timestamp });
      await events.append([...visited.map(at(now)), at(now - 1)(tenants[7]!)]);
      const all = await repository.tenants();
      expect(all.filter((one) => one.startsWith(`${acme}-`))).toEqual(tenants);
      expect(all).toEqual([...new Set(all)].sort());
      expect(await repository.tenantsOf(`${acme}-u`, now, all)).toEqual(visited);
      expect(await repository.tenantsOf(`${acme}-other`, now, all)).toEqual([]);
    });
  });

  describe("a user's history", () => {
    it('is newest first, of one tenant and user, before a time', async () => {
      const visits = Array.from({ length: 5 }, (_, index) =>
        watched({
          tenantId: acme,
          userId: 'u-1',
          timestamp: now - 10_000 + index * 1_000,
          ...(index > 0 && { ipAddress: `192.0.2.${index}` }),
          userAgent: `agent ${index}`,
        }),
      );
      await events.append([...visits, watched({ tenantId: acme, userId: 'u-2', timestamp: now - 9_500 })]);
      await events.append([watched({ tenantId: `${acme}-x`, userId: 'u-1', timestamp: now - 9_500 })]);
      expect(await userHistory(connection)(acme, 'u-1', now - 7_000)).toEqual([
        { ipAddress: '192.0.2.2', userAgent: 'agent 2' },
        { ipAddress: '192.0.2.1', userAgent: 'agent 1' },
        { userAgent: 'agent 0' },
      ]);
      expect(await userHistory(connection, 1)(acme, 'u-1', now)).toEqual([
        { ipAddress: '192.0.2.4', userAgent: 'agent 4' },
      ]);
    });
  });

  // When it looks, and what it remembers: the same on each database.
  if (name !== 'sqlite') return;

  it('finds nothing below the threshold', async () => {
    const [one, other] = [process(), process()];
    for (const [index, event] of logins(9).entries()) await (index % 2 ? one : other).record(event);
    // Other tenants, other addresses, successes, and what is a window older.
    await one.record(login(20, { tenantId: `${acme}-x` }), login(21, { ipAddress: '192.0.2.2' }));
    await one.record(login(22, { outcome: 'success' }), login(0, { timestamp: now - 6 * MINUTE }));
    await one.detector.sweep();
    await other.detector.sweep();
    expect(await findingsIn()).toEqual([]);
  });

  it('finds it though another process stores the decisive events last', async () => {
    const [one, other] = [process(), process()];
    const all = logins(10);
    await one.record(...all.slice(5));
    await one.detector.sweep();
    // Recorded before, stored after: as of a database that was away.
    for (const event of all.slice(0, 5)) other.detector.observe(event);
    await events.append(all.slice(0, 5));
    await other.detector.sweep();
    expect((await findingsIn()).map(({ timestamp }) => timestamp)).toEqual([all[9]!.timestamp]);
  });

  it('goes on after a restart', async () => {
    const before = process();
    await before.record(...logins(6));
    const after = process();
    await after.record(...logins(4, 6));
    await after.detector.sweep();
    expect(await findingsIn()).toHaveLength(1);
    const again = process();
    await again.record(login(30));
    await again.detector.sweep();
    expect(await findingsIn()).toHaveLength(1);
  });

  it('finds it again after a full window, also where it looks late', async () => {
    const one = process();
    const at = (minutes: number) =>
      Array.from({ length: 10 }, (_, index) => login(index, { timestamp: now - minutes * MINUTE + index }));
    await one.record(...at(20), ...at(17), ...at(14));
    await one.detector.sweep();
    const found = await findingsIn();
    // Three minutes after the first is the same window, six minutes are not.
    expect(found.map(({ timestamp }) => timestamp)).toEqual([now - 20 * MINUTE + 9, now - 14 * MINUTE]);
  });

  it('reports what it alone has seen while the database is away, and not once more when that is back', async () => {
    let away = true;
    const unreachable = new Error('away');
    const one = process();
    const host = new ListeningHost(events, () => (away ? Promise.reject(unreachable) : Promise.resolve()));
    const detector = new Detector({}, repository, host, silent);
    const all = logins(10);
    for (const event of all) detector.observe(event);
    detector.observe(login(11));
    await detector.sweep();
    await detector.sweep();
    expect(host.reported).toHaveLength(1);
    expect(host.reported[0]).toMatchObject({ key: '192.0.2.1', count: 10, lastAt: all[9]!.timestamp });
    away = false;
    await events.append([...all, findingEvent(host.reported[0]!)]);
    await detector.sweep();
    await one.record(login(12));
    await one.detector.sweep();
    expect(host.stored).toEqual([]);
    expect(await findingsIn()).toHaveLength(1);
  });

  it('still finds together what was recorded while the database was away', async () => {
    let away = true;
    const [one, other] = [0, 1].map(() => {
      const host = new ListeningHost(events, () =>
        away ? Promise.reject(new Error('away')) : Promise.resolve(),
      );
      return { host, detector: new Detector({}, repository, host, silent) };
    });
    const all = Array.from({ length: 10 }, (_, index) => login(index, { timestamp: now - 3 * HOUR + index }));
    for (const [index, event] of all.entries()) (index % 2 ? one! : other!).detector.observe(event);
    await one!.detector.sweep();
    await other!.detector.sweep();
    away = false;
    await events.append(all);
    await one!.detector.sweep();
    await other!.detector.sweep();
    expect([one!.host.reported, other!.host.reported]).toEqual([[], []]);
    expect(await findingsIn()).toHaveLength(1);
  });

  it('starts again where the database went away amid a flood', async () => {
    let away = false;
    const failing = Object.assign(Object.create(repository) as DetectionRepository, {
      matching: async (...args: Parameters<DetectionRepository['matching']>) => {
        if (away) throw new Error('away');
        return repository.matching(...args);
      },
    });
    const one = process({ rapidActions: { enabled: false } }, failing, { eventsASweep: 500 });
    const attempt = (index: number, account: string) =>
      login(index, { ipAddress: `10.1.${index >> 8}.${index & 255}`, details: { account } });
    await one.record(...Array.from({ length: 900 }, (_, index) => attempt(index, `f-${index % 100}`)));
    await one.record(...Array.from({ length: 10 }, (_, index) => attempt(900 + index, 'first')));
    await one.record(...Array.from({ length: 9 }, (_, index) => attempt(920 + index, 'second')));
    await one.detector.sweep();
    away = true;
    await one.detector.sweep();
    // What it was reading is decided by its memory.
    expect(one.host.reported.map(({ key }) => key)).toEqual(['first']);
    away = false;
    await one.record(attempt(950, 'second'));
    for (let sweeps = 0; sweeps < 4; sweeps += 1) await one.detector.sweep();
    const found = await findingsIn();
    expect(found.map(({ details }) => [details['key'], details['count']])).toEqual([['second', 10]]);
  });

  it('is not blinded by an event of the far future', async () => {
    const one = process();
    await one.record(...logins(5), login(0, { timestamp: now + 365 * 24 * HOUR }), ...logins(4, 5));
    await one.detector.sweep();
    expect(await findingsIn()).toEqual([]);
    await one.record(login(9));
    await one.detector.sweep();
    expect((await findingsIn()).map(({ timestamp }) => timestamp)).toEqual([now - 10_000 + 9]);
    // Nor is there a finding of that time.
    const ahead = Array.from({ length: 10 }, (_, index) =>
      login(index, { ipAddress: '192.0.2.7', timestamp: now + HOUR + index }),
    );
    await one.record(...ahead, login(20, { ipAddress: '192.0.2.7' }));
    // The account of them all, whose events the database does not count beforehand.
    await one.record(
      ...ahead.map(({ timestamp }) =>
        login(0, { timestamp, details: { account: 'jo' }, ipAddress: '192.0.2.8' }),
      ),
      login(21, { ipAddress: '192.0.2.8', details: { account: 'jo' } }),
    );
    await one.detector.sweep();
    expect(await findingsIn()).toHaveLength(1);
  });

  it('sweeps by itself once it is started, soon after memory has found something', async () => {
    const one = process();
    one.detector.start();
    await one.record(...logins(10));
    await eventually(async () => expect(await findingsIn()).toHaveLength(1));
    await one.detector.close();
  });

  it('sweeps a last time when it closes, and no more after', async () => {
    const [one, other] = [process(), process()];
    one.detector.start();
    await other.record(...logins(5));
    await one.record(...logins(5, 5));
    await one.detector.close(10_000);
    expect(await findingsIn()).toHaveLength(1);
  });

  it('waits for a sweep that is under way when it closes', async () => {
    let flushed = () => {};
    const flush = new Promise<void>((resolve) => (flushed = resolve));
    const one = process({}, repository, { host: new ListeningHost(events, () => flush) });
    await one.record(...logins(10));
    const sweeping = one.detector.sweep();
    // It has taken what there is to look up.
    await new Promise(setImmediate);
    let isClosed = false;
    const closing = one.detector.close(10_000).then(() => (isClosed = true));
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    flushed();
    await closing;
    expect(await findingsIn()).toHaveLength(1);
    await sweeping;
  });

  it('says nothing after it has closed', async () => {
    let fail: (error: Error) => void = () => {};
    const flush = new Promise<void>((_, reject) => (fail = reject));
    const one = process({}, repository, { host: new ListeningHost(events, () => flush) });
    await one.record(...logins(10));
    const sweeping = one.detector.sweep();
    await one.detector.close(20);
    fail(new Error('away'));
    await sweeping;
    expect([one.host.reported, one.host.stored]).toEqual([[], []]);
  });

  it('passes over a finding that is stored already', async () => {
    const one = process();
    await one.record(...logins(10));
    await one.detector.sweep();
    // As one that has not seen the other's when it looked.
    const blind = Object.assign(Object.create(repository) as DetectionRepository, {
      findingTimes: async () => [],
    });
    const other = process({}, blind);
    await other.record(login(9, { timestamp: now - 10_000 + 11 }));
    await other.detector.sweep();
    expect(other.host.stored).toHaveLength(1);
    expect(await findingsIn()).toHaveLength(1);
  });
});
