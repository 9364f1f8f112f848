// Every detection by itself, in the memory of one process: its threshold, its window, and what does not count.
import type { AuditLogEvent } from 'nest-audit-trail';
import { firstIdOf } from '../../src/event/event-id.js';
import { checkDetectionOptions } from '../../src/features/detection/detection-options.js';
import type { DetectionOptions } from '../../src/features/detection/detection-options.js';
import { DETECTIONS } from '../../src/features/detection/detections.js';
import type { DetectionKey } from '../../src/features/detection/detections.js';
import { Detector } from '../../src/features/detection/detector.js';
import { findingDraft, findingId } from '../../src/features/detection/finding.js';
import type { Finding } from '../../src/features/detection/finding.js';
import { isNetwork, networkOf, textsOf } from '../../src/features/detection/network.js';
import { SumTally, ThingTally } from '../../src/features/detection/tally.js';
import type { Tally } from '../../src/features/detection/tally.js';
import { DetectionMemory } from '../../src/features/detection/detection-memory.js';
import type { DetectionRepository } from '../../src/features/detection/detection.repository.js';
import { failedLogin, ListeningHost, silent, watched } from '../support/watched.js';
import { expectRefusedOption } from '../support/refused-option.js';

const T = Date.UTC(2025, 5, 16, 12);

/** One detection by one key, alone, by its defaults. Answers what it finds at once. */
function lone(name: string, by: DetectionKey, options: DetectionOptions = {}) {
  const { detections, maxKeys } = checkDetectionOptions(options);
  const detection = detections.find((one) => one.name === name)!;
  const memory = new DetectionMemory(
    detection,
    detection.ways.find((way) => way.by === by)!,
    maxKeys,
  );
  const see = (event: AuditLogEvent): Finding | undefined => {
    const finding = memory.observe(event);
    if (finding) memory.noteFinding(finding);
    return finding;
  };
  return { see, memory, detection };
}

type Make = (index: number, timestamp: number) => AuditLogEvent;
const user = { userId: 'u-1', ipAddress: '192.0.2.1' };
/** Every detection, with events of which so many are a finding. */
const CASES: [
  detection: string,
  by: DetectionKey,
  key: string,
  events: number,
  make: Make,
  count?: number,
][] = [
  [
    'brute-force',
    'address',
    '192.0.2.1',
    10,
    (_, timestamp) => failedLogin({ ipAddress: '192.0.2.1', timestamp }),
  ],
  [
    'brute-force',
    'account',
    'jo@example.com',
    10,
    (index, timestamp) =>
      failedLogin({
        ipAddress: `192.0.2.${index}`,
        details: { account: index % 2 ? 'Jo@example.com ' : 'jo@example.com' },
        timestamp,
      }),
  ],
  ['brute-force', 'account', 'u-1', 10, (_, timestamp) => failedLogin({ userId: 'u-1', timestamp })],
  ['rapid-actions', 'user', 'u-1', 300, (_, timestamp) => watched({ ...user, timestamp })],
  [
    'rapid-actions',
    'address',
    '192.0.2.1',
    300,
    (_, timestamp) => watched({ ipAddress: '192.0.2.1', timestamp }),
  ],
  [
    'resource-breadth',
    'user',
    'u-1',
    100,
    (index, timestamp) => watched({ ...user, resourceId: `i-${index}`, timestamp }),
  ],
  [
    'mass-export',
    'user',
    'u-1',
    4,
    (_, timestamp) =>
      watched({ ...user, action: 'invoice.list', details: { recordCount: 2_500 }, timestamp }),
    10_000,
  ],
  [
    'mass-export',
    'user',
    'u-1',
    10,
    (_, timestamp) => watched({ ...user, action: 'invoice.export', timestamp }),
    10_000,
  ],
  [
    'privilege-escalation',
    'user',
    'u-1',
    5,
    (_, timestamp) => watched({ ...user, category: 'authorization', outcome: 'failure', timestamp }),
  ],
  [
    'foreign-tenant',
    'user',
    'u-1',
    2,
    (index, timestamp) => watched({ ...user, tenantId: `t-${index}`, timestamp }),
  ],
];

describe.each(CASES)('%s by %s (%s)', (name, by, key, events, make, count = events) => {
  const { windowMs } = lone(name, by).detection;

  it('is found by the event that reaches the threshold, once within a window, and then again', () => {
    const { see } = lone(name, by);
    const found: [index: number, finding: Finding][] = [];
    const ids: string[] = [];
    const add = (index: number, timestamp: number) => {
      const event = make(index, timestamp);
      ids.push(event.id);
      const finding = see(event);
      if (finding) found.push([index, finding]);
    };
    for (let index = 0; index < 2 * events; index += 1) add(index, T + index);
    expect(found.map(([index]) => index)).toEqual([events - 1]);
    const finding = found[0]![1];
    expect(finding).toMatchObject({
      detection: name,
      by,
      key,
      count,
      windowSeconds: windowMs / 1_000,
      firstAt: T,
      lastAt: T + events - 1,
      eventIds: ids.slice(0, events).slice(-50),
    });
    // A full window later the same again is another finding; a millisecond earlier it is none.
    const later = finding.lastAt + windowMs;
    for (let index = 0; index < events - 1; index += 1) add(1_000 + index, later - 2);
    add(2_000, later - 1);
    expect(found).toHaveLength(1);
    add(3_000, later);
    expect(found).toHaveLength(2);
    const again = found[1]![1];
    expect(again.lastAt).toBe(later);
    // It names nothing that is older than its window.
    const firstId = firstIdOf(again.firstAt);
    expect(again.firstAt).toBeGreaterThan(later - windowMs);
    expect(again.eventIds.filter((id) => id < firstId)).toEqual([]);
    expect(again.eventIds.length).toBeGreaterThan(0);
  });

  it('slides', () => {
    const { see } = lone(name, by);
    // Half before and half after any border that windows could have, within less than a window.
    const half = Math.floor(events / 2);
    const found = Array.from({ length: events }, (_, index) =>
      see(make(index, T + (index < half ? 0 : windowMs - 1))),
    );
    expect(found.findIndex(Boolean)).toBe(events - 1);
    const apart = lone(name, by);
    for (let index = 0; index < events; index += 1) {
      expect(apart.see(make(index, T + (index < half ? 0 : windowMs)))).toBeUndefined();
    }
  });

  it('is of one key', () => {
    const { see } = lone(name, by);
    const other: Partial<AuditLogEvent> = {
      user: { userId: 'u-2' },
      address: { ipAddress: '192.0.2.99' },
      account: { userId: 'u-2', details: { account: 'other@example.com' } },
    }[by];
    const strangers = name === 'foreign-tenant' ? [other] : [other, { tenantId: 'other' }];
    for (let index = 0; index < events - 1; index += 1) see(make(index, T));
    for (const stranger of strangers) {
      expect(see({ ...make(events, T), ...stranger })).toBeUndefined();
    }
    // One more of the same is what was missing.
    expect(see(make(events, T))).toBeDefined();
  });

  it('is off where it is told to be', () => {
    const { option } = lone(name, by).detection;
    const { detections } = checkDetectionOptions({ [option]: { enabled: false } });
    expect(detections.map((one) => one.name)).not.toContain(name);
    expect(detections).toHaveLength(5);
  });
});

describe('tallies', () => {
  it('forget a sum with its portions, also those that were put together', () => {
    const tally: Tally = new SumTally(1_000);
    for (let at = 0; at < 300; at += 1) tally.add(at, 2, '', `id-${at}`);
    expect([tally.within(300), tally.first]).toEqual([600, 44]);
    // All but the last, which is within the window by a millisecond.
    expect(tally.within(1_298)).toBe(2);
    tally.add(1_300, 5, '', 'id-late');
    expect([tally.within(1_300), tally.first, tally.last]).toEqual([5, 1_300, 1_300]);
    tally.add(1_100, 7, '', 'id-between');
    expect([tally.within(1_300), tally.within(2_200), tally.first]).toEqual([12, 5, 1_100]);
  });

  it('know a thing that is within the window', () => {
    const tally = new ThingTally(2, 1_000);
    const add = (thing: string, at: number) => tally.add(at, 1, thing, `id-${at}`);
    expect([add('a', 0), add('a', 5), add('b', 10), add('a', 1_000), add('b', 1_010)]).toEqual([
      true,
      false,
      true,
      false,
      true,
    ]);
    expect(tally.things).toEqual(['a', 'b']);
    add('c', 1_020);
    expect([tally.things, tally.within(1_020), tally.within(2_010), tally.first]).toEqual([
      ['b', 'c'],
      2,
      1,
      1_010,
    ]);
  });
});

describe('what does not count', () => {
  it.each<[detection: string, by: DetectionKey, why: string, event: Partial<AuditLogEvent>]>([
    ['brute-force', 'address', 'a login that succeeds', { category: 'authentication', outcome: 'success' }],
    ['brute-force', 'address', 'another failure', { category: 'data_access', outcome: 'failure' }],
    [
      'brute-force',
      'account',
      'an account that is none',
      { category: 'authentication', outcome: 'failure', details: { account: ' ' } },
    ],
    ['rapid-actions', 'address', 'the event of a user', { userId: 'u-1' }],
    ['resource-breadth', 'user', 'a change', { userId: 'u-1', category: 'data_modification' }],
    ['mass-export', 'user', 'a read of no count', { userId: 'u-1' }],
    [
      'mass-export',
      'user',
      'an import',
      { userId: 'u-1', category: 'data_modification', details: { rows: 1e6 } },
    ],
    [
      'mass-export',
      'user',
      'a failed export',
      { userId: 'u-1', action: 'invoice.export', outcome: 'failure', details: { rows: 1e6 } },
    ],
    [
      'privilege-escalation',
      'user',
      'what was allowed',
      { userId: 'u-1', category: 'authorization', outcome: 'success' },
    ],
    ['privilege-escalation', 'user', 'nobody', { category: 'authorization', outcome: 'failure' }],
    ['foreign-tenant', 'user', 'what has no tenant', { userId: 'u-1', tenantId: 'default' }],
  ])('for %s by %s: %s', (name, by, _, event) => {
    const { memory } = lone(name, by);
    expect(memory.observe(watched({ ipAddress: '192.0.2.1', ...event }))).toBeUndefined();
    expect(memory.size).toBe(0);
  });

  it('for breadth: the same thing again', () => {
    const { see } = lone('resource-breadth', 'user');
    for (let index = 0; index < 500; index += 1) {
      expect(
        see(watched({ userId: 'u-1', resourceId: `i-${index % 99}`, timestamp: T + index })),
      ).toBeUndefined();
    }
  });
});

describe('privilege escalation', () => {
  const denied = (timestamp: number) =>
    watched({ userId: 'u-1', category: 'authorization', outcome: 'failure', timestamp });
  const change = (action: string, timestamp = T + 10) => watched({ userId: 'u-1', action, timestamp });

  it.each([
    ['user.change-role', true],
    ['permission.update', true],
    ['privilege_permissions_changed', true],
    ['authz_change', true],
    ['payroll.approve', false],
    ['enrolement.create', false],
    ['invoice.update', false],
  ])('after half of the failures: %s is a finding: %s', (action, expected) => {
    const { see } = lone('privilege-escalation', 'user');
    for (let index = 0; index < 3; index += 1) expect(see(denied(T + index))).toBeUndefined();
    const event = change(action);
    const finding = see(event);
    expect(finding !== undefined).toBe(expected);
    if (expected) expect(finding).toMatchObject({ count: 3, firstAt: T, lastAt: T + 10 });
    if (expected) expect(finding!.eventIds.at(-1)).toBe(event.id);
  });

  it('is none after fewer, after a window, or by changes alone', () => {
    const { see } = lone('privilege-escalation', 'user');
    see(denied(T));
    see(denied(T + 1));
    expect(see(change('role.grant'))).toBeUndefined();
    see(denied(T + 20));
    expect(see(change('role.grant', T + 300_000))).toBeUndefined();
    const other = lone('privilege-escalation', 'user');
    for (let index = 0; index < 20; index += 1) expect(other.see(change('role.grant'))).toBeUndefined();
  });
});

describe('a failure that the application and its request both record', () => {
  const local: DetectionOptions = { bruteForce: { windowSeconds: 60 } };
  const told = (timestamp: number, requestId: string) =>
    failedLogin({ ipAddress: '192.0.2.1', timestamp, metadata: { requestId } });
  const asked = (timestamp: number, requestId: string) =>
    failedLogin({ ipAddress: '192.0.2.1', timestamp, metadata: { requestId, durationMs: 5 } });

  it.each([
    ['the request last', [told, asked]],
    ['the request first', [asked, told]],
  ])('counts once: %s', (_, pair) => {
    const { see } = lone('brute-force', 'address', local);
    const found = Array.from({ length: 10 }, (_each, index) =>
      pair.map((make) => see(make(T + index, `r-${index}`)) !== undefined),
    );
    expect(found.slice(0, 9).flat()).not.toContain(true);
    expect(found[9]).toEqual([true, false]);
  });

  it('counts each time, where a client sends one id for all its requests', () => {
    for (const pair of [[asked], [told], [told, asked]]) {
      const { see } = lone('brute-force', 'address', local);
      const found: number[] = [];
      for (let index = 0; index < 10; index += 1) {
        for (const make of pair) if (see(make(T + index, 'same'))) found.push(index);
      }
      expect(found).toEqual([9]);
    }
  });

  it('is one denied access', () => {
    const { see } = lone('privilege-escalation', 'user');
    const denied = (requestId: string, more: AuditLogEvent['metadata'] = {}) =>
      watched({
        ...user,
        category: 'authorization',
        outcome: 'failure',
        timestamp: T,
        metadata: { requestId, ...more },
      });
    for (const id of ['a', 'b', 'c', 'd']) {
      expect([see(denied(id)), see(denied(id, { durationMs: 1 }))]).toEqual([undefined, undefined]);
    }
    expect(see(denied('e'))).toMatchObject({ count: 5 });
  });
});

describe('an event of the far future', () => {
  const YEAR = 365 * 86_400_000;

  it('counts as one of now in the memory, and ends no window before its time', () => {
    const { see } = lone('brute-force', 'address', { bruteForce: { windowSeconds: 60 } });
    const now = Date.now();
    const at = (timestamp: number) => failedLogin({ ipAddress: '192.0.2.1', timestamp });
    expect(see(at(now + YEAR))).toBeUndefined();
    for (let index = 0; index < 8; index += 1) expect(see(at(now + index))).toBeUndefined();
    const finding = see(at(now + 9));
    expect(finding).toMatchObject({ count: 10 });
    expect(finding!.lastAt).toBeLessThan(now + 60_000);
  });

  it('is left to its time where the store decides', () => {
    const { memory } = lone('brute-force', 'address');
    expect(
      memory.observe(failedLogin({ ipAddress: '192.0.2.1', timestamp: Date.now() + YEAR })),
    ).toBeUndefined();
    expect([memory.size, memory.isDirty]).toEqual([0, false]);
    memory.observe(failedLogin({ ipAddress: '192.0.2.1', timestamp: Date.now() + 60_000 }));
    expect([memory.size, memory.isDirty]).toEqual([1, true]);
  });
});

describe('a client with a network of its own', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::f', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8::/64'],
    ['2001:db8::1:2:3:4', '2001:db8::/64'],
    ['2001:db8:0:0:1::', '2001:db8::/64'],
    ['2001:db8:0:5:1:2:3:4', '2001:db8:0:5::/64'],
    ['2001:db8:1:0:1:2:3:4', '2001:db8:1::/64'],
    ['2001:db8:1::4', '2001:db8:1::/64'],
    ['2001::5:1:2:3:4', '2001:0:0:5::/64'],
    ['2001:0:0:5::', '2001:0:0:5::/64'],
    ['0:1::4', '0:1::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
  ])('%s is of %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
    expect(isNetwork(network)).toBe(address !== network);
    if (address === network) return;
    const { from, to } = textsOf(network);
    expect([from <= address, address < to]).toEqual([true, true]);
  });

  it('narrows the texts as far as they are sure', () => {
    expect(textsOf('2001:db8:1:2::/64')).toEqual({ from: '2001:db8:1:2:', to: '2001:db8:1:2;' });
    expect(textsOf('2001:db8:0:5::/64')).toEqual({ from: '2001:db8:0:5:', to: '2001:db8:0:5;' });
    expect(textsOf('2001:db8:1::/64')).toEqual({ from: '2001:db8:1:', to: '2001:db8:1;' });
  });

  it('is one address, whose finding has no single one', () => {
    const { see } = lone('brute-force', 'address');
    const from = (index: number) =>
      see(failedLogin({ ipAddress: `2001:db8:1:2::${(index + 1).toString(16)}`, timestamp: T + index }));
    for (let index = 0; index < 9; index += 1) expect(from(index)).toBeUndefined();
    const finding = from(9)!;
    expect(finding).toMatchObject({ by: 'address', key: '2001:db8:1:2::/64', count: 10 });
    expect(findingDraft(finding)).not.toHaveProperty('ipAddress');
  });
});

describe('a key that is given back', () => {
  it('is as urgent as before, and the rest waits', () => {
    const { memory } = lone('brute-force', 'address');
    const fail = (ipAddress: string, times: number) => {
      for (let index = 0; index < times; index += 1) memory.observe(failedLogin({ ipAddress, timestamp: T }));
    };
    fail('192.0.2.1', 10);
    fail('192.0.2.2', 3);
    memory.giveBack(memory.dirtyKeys(5));
    fail('192.0.2.3', 4);
    fail('192.0.2.4', 2);
    const [first, second, ...more] = memory.dirtyKeys(2);
    expect([first, second]).toMatchObject([
      { key: '192.0.2.1', hits: 10, finding: { count: 10 } },
      { hits: 4 },
    ]);
    expect([more, memory.isDirty]).toEqual([[], true]);
  });

  it('is not taken again while it is being read', () => {
    const { memory } = lone('brute-force', 'address');
    const fail = (ipAddress: string) => memory.observe(failedLogin({ ipAddress, timestamp: T }));
    fail('192.0.2.1');
    const taken = memory.dirtyKeys(2);
    expect(memory.isDirty).toBe(false);
    memory.goOnWith(taken);
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) fail(address);
    expect(memory.dirtyKeys(2).map(({ key }) => key)).toEqual(['192.0.2.2']);
    memory.goOnWith([]);
    expect(memory.isDirty).toBe(true);
    expect(
      memory
        .dirtyKeys(5)
        .map(({ key }) => key)
        .sort(),
    ).toEqual(['192.0.2.1', '192.0.2.3']);
    expect(memory.isDirty).toBe(false);
  });
});

describe('mass export', () => {
  it('is not hidden in many small portions', () => {
    const { see } = lone('mass-export', 'user');
    const found: number[] = [];
    for (let index = 0; index < 10_000; index += 1) {
      const event = watched({ userId: 'u-1', details: { count: 1 }, timestamp: T + index * 100 });
      if (see(event)) found.push(index);
    }
    expect(found).toEqual([9_999]);
  });
});

describe('a detector', () => {
  const noStore = {} as DetectionRepository;

  it('reports a short window at once, by an event that feeds nothing', () => {
    const host = new ListeningHost();
    const detector = new Detector({ rapidActions: { threshold: 3 } }, noStore, host, silent);
    for (let index = 0; index < 10; index += 1) detector.observe(watched({ ...user, timestamp: T + index }));
    expect(host.reported).toHaveLength(1);
    const [finding] = host.reported;
    const draft = findingDraft(finding!);
    expect(draft).toEqual({
      timestamp: T + 2,
      tenantId: 'acme',
      userId: 'u-1',
      action: 'detection.rapid-actions',
      resource: 'detection',
      category: 'security',
      outcome: 'failure',
      severity: 'medium',
      details: {
        detection: 'rapid-actions',
        by: 'user',
        key: 'u-1',
        count: 3,
        windowSeconds: 60,
        firstAt: T,
        lastAt: T + 2,
        eventIds: finding!.eventIds,
      },
    });
    const before = detector.size;
    for (let index = 0; index < 50; index += 1) {
      detector.observe(watched({ ...(draft as Partial<AuditLogEvent>), timestamp: T, userId: 'u-9' }));
      detector.observe(
        watched({ resource: 'audit', action: 'audit.drop', category: 'system', userId: 'u-9' }),
      );
    }
    expect(detector.size).toEqual(before);
    expect(host.reported).toHaveLength(1);
  });

  it('gives a finding of an account no user', () => {
    const { see } = lone('brute-force', 'account', { bruteForce: { threshold: 2 } });
    see(failedLogin({ details: { account: 'jo' } }));
    const draft = findingDraft(see(failedLogin({ details: { account: 'jo' } }))!, 'the-id');
    expect(draft).toMatchObject({ id: 'the-id', details: { by: 'account', key: 'jo' } });
    expect(draft).not.toHaveProperty('userId');
    expect(draft).not.toHaveProperty('ipAddress');
  });

  it('gives the same finding the same id, which begins with its time', () => {
    const { see } = lone('brute-force', 'address', { bruteForce: { threshold: 2 } });
    see(failedLogin({ ipAddress: '192.0.2.1', timestamp: T }));
    const finding = see(failedLogin({ ipAddress: '192.0.2.1', timestamp: T + 5 }))!;
    const id = findingId(finding);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(T + 5);
    expect(findingId({ ...finding })).toBe(id);
    // Whoever it names: a burst from one address against one account is one finding.
    expect(findingId({ ...finding, by: 'account', key: 'alice' })).toBe(id);
    for (const other of [{ tenantId: 'globex' }, { detection: 'x' }, { eventIds: ['another'] }]) {
      expect(findingId({ ...finding, ...other })).not.toBe(id);
    }
  });

  it('is bounded by 100,000 users and addresses, and finds the attack among them', () => {
    const host = new ListeningHost();
    const detector = new Detector(
      { maxKeys: 1_000, bruteForce: { windowSeconds: 60 }, privilegeEscalation: { windowSeconds: 60 } },
      noStore,
      host,
      silent,
    );
    const [login, read] = [failedLogin(), watched({ details: { count: 3 } })];
    const denied = watched({ category: 'authorization', outcome: 'failure' });
    for (let index = 0; index < 100_000; index += 1) {
      const timestamp = T + Math.floor(index / 10);
      const ipAddress = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
      detector.observe({ ...denied, userId: `u-${index}`, ipAddress, timestamp });
      if (index % 500 === 0) detector.observe({ ...denied, userId: 'climber', timestamp });
      detector.observe({ ...(index % 2 ? login : read), userId: `u-${index}`, ipAddress, timestamp });
      if (index % 100 === 0) detector.observe({ ...login, ipAddress: '192.0.2.66', timestamp });
    }
    const sizes = detector.size;
    expect(Object.keys(sizes)).toHaveLength(8);
    for (const [name, size] of Object.entries(sizes)) {
      expect([name, size <= 1_000]).toEqual([name, true]);
    }
    expect(sizes['brute-force by address']).toBeGreaterThanOrEqual(500);
    expect(sizes['privilege-escalation by user']).toBeGreaterThanOrEqual(500);
    expect(host.reported.map(({ detection, key }) => [detection, key])).toEqual([
      ['brute-force', '192.0.2.66'],
      ['privilege-escalation', 'climber'],
      ['rapid-actions', '192.0.2.66'],
    ]);
  }, 120_000);

  it('survives an event that it can not read', () => {
    const host = new ListeningHost();
    const detector = new Detector({}, noStore, host, silent);
    expect(() => detector.observe({ ...watched(), details: null as never, userId: 'u-1' })).not.toThrow();
  });
});

describe('detection options', () => {
  it.each<[string, unknown]>([
    ['detection', true],
    ['detection.bruteforce', { bruteforce: {} }],
    ['detection.bruteForce.enabled', { bruteForce: { enabled: 'yes' } }],
    ['detection.maxKeys', { maxKeys: 10 }],
    ['detection.bruteForce', { bruteForce: 5 }],
    ['detection.bruteForce.threshold', { bruteForce: { threshold: 1 } }],
    ['detection.massExport.threshold', { massExport: { threshold: 2e9 } }],
    ['detection.rapidActions.windowSeconds', { rapidActions: { windowSeconds: 0.5 } }],
    ['detection.rapidActions.windowSecond', { rapidActions: { windowSecond: 5 } }],
    ['detection.foreignTenant.enabled', { foreignTenant: { enabled: 0 } }],
  ])('that are wrong at %s are refused', (field, wrong) => {
    expectRefusedOption(field, () => checkDetectionOptions(wrong as DetectionOptions));
  });

  it('turn everything off', () => {
    const names = DETECTIONS.map(({ option }) => option);
    const off = Object.fromEntries(names.map((name) => [name, { enabled: false }]));
    expect(checkDetectionOptions(off).detections).toEqual([]);
  });
});
