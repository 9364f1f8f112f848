// What is unusual for a user: addresses and devices that are new, bursts; and that it is bounded.
import { setImmediate as turn } from 'node:timers/promises';
import { NEW_FOR_MS, RiskMemory } from '../../src/features/risk/risk-memory.js';
import type { RiskHistory } from '../../src/features/risk/risk-memory.js';
import { checkRiskContext } from '../../src/features/risk/risk-context-options.js';
import type { RiskContextOptions } from '../../src/features/risk/risk-context-options.js';
import { FirstSeen, VALUES_REMEMBERED } from '../../src/features/risk/first-seen.js';
import { RecentMap } from '../../src/event/recent-map.js';
import { RecentTimes } from '../../src/event/recent-times.js';
import { judged } from './judged-event.js';

const T = Date.UTC(2025, 5, 16, 12);
const logged: string[] = [];
const logger = {
  log: (message: string) => void logged.push(message),
  warn: (message: string) => void logged.push(message),
  error: (message: string) => void logged.push(message),
};

function remembering(history: RiskHistory, options: RiskContextOptions = {}) {
  return new RiskMemory(checkRiskContext(options), history, logger);
}

const by = (ipAddress: string, timestamp = T, userAgent = 'Firefox') =>
  judged({ userId: 'u-1', ipAddress, userAgent, timestamp });

beforeEach(() => (logged.length = 0));

describe('a new address', () => {
  const known: RiskHistory = async () => [{ ipAddress: '192.0.2.1', userAgent: 'Firefox' }];

  it('is one that the user did not come from before', async () => {
    const memory = remembering(known);
    memory.note(by('192.0.2.1'));
    await turn();
    expect(memory.facts(by('192.0.2.1'))).toEqual({ newAddress: false, newDevice: false, burst: false });
    expect(memory.facts(by('192.0.2.9'))).toEqual({ newAddress: true, newDevice: false, burst: false });
    expect(memory.facts(by('192.0.2.1', T, 'curl'))).toEqual({
      newAddress: false,
      newDevice: true,
      burst: false,
    });
    // Another tenant's user of the same id, and nobody.
    expect(memory.facts({ ...by('192.0.2.9'), tenantId: 'globex' }).newAddress).toBe(false);
    expect(memory.facts(judged({ ipAddress: '192.0.2.9' })).newAddress).toBe(false);
  });

  it('is new for an hour', async () => {
    const memory = remembering(known);
    memory.note(by('192.0.2.9'));
    await turn();
    expect(memory.facts(by('192.0.2.9', T + NEW_FOR_MS - 1)).newAddress).toBe(true);
    expect(memory.facts(by('192.0.2.9', T + NEW_FOR_MS)).newAddress).toBe(false);
  });

  it('is not known while the history is not, and counts afterwards', async () => {
    let answer: (events: { ipAddress: string }[]) => void = () => undefined;
    const memory = remembering(() => new Promise((resolve) => (answer = resolve)));
    memory.note(by('192.0.2.9'));
    expect(memory.facts(by('192.0.2.9')).newAddress).toBe(false);
    answer([{ ipAddress: '192.0.2.1' }]);
    await turn();
    expect(memory.facts(by('192.0.2.9', T + 1_000)).newAddress).toBe(true);
    expect(memory.facts(by('192.0.2.1', T + 1_000)).newAddress).toBe(false);
  });

  it('is none of a user without a past, until that is an hour long', async () => {
    const memory = remembering(async () => []);
    memory.note(by('192.0.2.1'));
    await turn();
    expect(memory.facts(by('192.0.2.9', T + NEW_FOR_MS - 1)).newAddress).toBe(false);
    expect(memory.facts(by('192.0.2.9', T + NEW_FOR_MS)).newAddress).toBe(true);
  });

  it('asks for what is older than an hour, once', async () => {
    const calls: [string, string, number][] = [];
    const memory = remembering(async (...call) => {
      calls.push(call);
      return [];
    });
    const before = Date.now();
    for (let index = 0; index < 5; index += 1) memory.note(by('192.0.2.1'));
    await turn();
    memory.note(by('192.0.2.1'));
    expect(calls).toEqual([['acme', 'u-1', expect.any(Number)]]);
    expect(calls[0]![2]).toBeGreaterThanOrEqual(before - NEW_FOR_MS);
    expect(calls[0]![2]).toBeLessThanOrEqual(Date.now() - NEW_FOR_MS);
  });

  it('is asked for again after a failure, which is told once', async () => {
    let calls = 0;
    const memory = remembering(async () => {
      calls += 1;
      if (calls < 3) throw new Error('away');
      return [{ ipAddress: '192.0.2.1' }];
    });
    for (let index = 0; index < 4; index += 1) {
      memory.note(by('192.0.2.9'));
      await turn();
    }
    expect(calls).toBe(3);
    expect(memory.facts(by('192.0.2.9')).newAddress).toBe(true);
    expect(logged).toHaveLength(1);
  });

  it('is looked for by four at once, with a bounded queue', async () => {
    const open: (() => void)[] = [];
    let calls = 0;
    const memory = remembering(() => {
      calls += 1;
      return new Promise((resolve) => open.push(() => resolve([])));
    });
    for (let user = 0; user < 2_000; user += 1) memory.note(judged({ userId: `u-${user}` }));
    expect(calls).toBe(4);
    expect(memory.size.waiting).toBe(1_000);
    // The others come in at their next event.
    for (let answer = open.shift(); answer; answer = open.shift()) {
      answer();
      await turn();
    }
    expect(calls).toBe(1_004);
    memory.note(judged({ userId: 'u-1999' }));
    expect(calls).toBe(1_005);
  });
});

describe('a burst', () => {
  const none: RiskHistory = async () => [];

  it.each([
    ['of a user', { userId: 'u-1', ipAddress: '192.0.2.1' }, { userId: 'u-2', ipAddress: '192.0.2.1' }],
    ['of an address', { ipAddress: '192.0.2.1' }, { ipAddress: '192.0.2.2' }],
  ])('%s begins with its last event', (_, who, other) => {
    const memory = remembering(none, { burst: { events: 3, seconds: 10 } });
    const burst = (at: number, whose = who) => memory.facts(judged({ ...whose, timestamp: T + at })).burst;
    expect(burst(0)).toBe(false);
    memory.note(judged({ ...who, timestamp: T }));
    expect(burst(1_000)).toBe(false);
    memory.note(judged({ ...who, timestamp: T + 1_000 }));
    expect(burst(9_999)).toBe(true);
    expect(burst(9_999, other)).toBe(false);
    // The first is ten seconds ago.
    expect(burst(10_000)).toBe(false);
  });

  it('is 120 events in ten seconds by default', () => {
    const memory = remembering(none);
    const seen: boolean[] = [];
    for (let index = 0; index < 121; index += 1) {
      const event = judged({ userId: 'u-1', timestamp: T + index * 10 });
      seen.push(memory.facts(event).burst);
      memory.note(event);
    }
    expect(seen.indexOf(true)).toBe(119);
  });

  it('needs to be of somebody', () => {
    const memory = remembering(none, { burst: { events: 2, seconds: 10 } });
    for (let index = 0; index < 5; index += 1) memory.note(judged({ timestamp: T }));
    expect(memory.facts(judged({ timestamp: T })).burst).toBe(false);
    expect(memory.size).toEqual({ users: 0, bursts: 0, waiting: 0 });
  });
});

describe('the memory', () => {
  it('is bounded whatever comes', () => {
    const memory = remembering(() => new Promise(() => undefined));
    for (let user = 0; user < 100_000; user += 1) {
      memory.note(
        judged({ userId: `u-${user}`, ipAddress: `10.${user >> 16}.${(user >> 8) & 255}.${user & 255}` }),
      );
    }
    const { users, bursts, waiting } = memory.size;
    expect(users).toBeGreaterThanOrEqual(5_000);
    expect(users).toBeLessThanOrEqual(10_000);
    expect(bursts).toBeLessThanOrEqual(10_000);
    expect(waiting).toBeLessThanOrEqual(1_000);
  });

  it('of one user keeps the 32 values used last, and the earliest time of each', () => {
    const seen = new FirstSeen();
    seen.note('usual', 1_000);
    for (let index = 0; index < 1_000; index += 1) {
      seen.note(`value ${index}`, 2_000 + index);
      seen.note('usual', 2_000 + index);
    }
    expect(seen.size).toBe(VALUES_REMEMBERED);
    expect(seen.of('usual')).toBe(1_000);
    expect(seen.of('value 999')).toBe(2_999);
    expect(seen.of('value 0')).toBeUndefined();
    seen.note('value 999', 7);
    expect(seen.of('value 999')).toBe(7);
  });

  it('forgets keys that are not used before those that are', () => {
    const map = new RecentMap<string, number>(10);
    map.set('kept', 1);
    for (let index = 0; index < 1_000; index += 1) {
      map.set(`k${index}`, index);
      expect(map.get('kept')).toBe(1);
      expect(map.size).toBeLessThanOrEqual(10);
      expect(map.peek(`k${index}`)).toBe(index);
    }
    expect(map.peek('k0')).toBeUndefined();
    expect([...map.values()]).toContain(999);
    map.age();
    map.age();
    expect(map.size).toBe(0);
  });

  it('keeps the newest times in order, also those that come late', () => {
    const times = new RecentTimes(3, 100);
    expect([50, 10, 30].map((at) => times.add(at))).toEqual([1, 2, 3]);
    expect([times.first, times.last]).toEqual([10, 50]);
    // The oldest gives way, and what is a window older is gone.
    expect(times.add(20)).toBe(3);
    expect(times.first).toBe(20);
    expect(times.within(129)).toBe(2);
    expect(times.add(140)).toBe(2);
    expect(times.first).toBe(50);
  });
});
