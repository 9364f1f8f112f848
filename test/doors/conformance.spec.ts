// One table of requests, run over every door: each leaves one event, with every field right, and its answer is what it is without the
// audit, byte for byte. The same session leaves the same events on all of them. What a platform does otherwise is listed with the reason.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { describeGenerated } from '../support/docs/generated.js';
import { membersTable } from '../support/docs/members-table.js';
import { CASES } from './cases.js';
import type { Case } from './cases.js';
import type { RunningDoor } from './door.js';
import { DOORS } from './doors.js';
import { send } from './send.js';
import type { Answer } from './send.js';

/** What differs from one answer to the next. */
function lasting({ headers, ...answer }: Answer): unknown {
  const { date: _date, ...rest } = headers;
  return { ...answer, headers: rest };
}

type Fields = Readonly<Record<string, unknown>>;

/** By paths, such as `metadata.route`. */
function fieldsOf({ metadata, ...event }: AuditLogEvent): Fields {
  const named = Object.entries(metadata).map(([name, value]) => [`metadata.${name}`, value]);
  const details = Object.entries(event.details).map(([name, value]) => [`details.${name}`, value]);
  return { ...event, ...Object.fromEntries([...named, ...details]) };
}

/** What the platform tells otherwise in a case. */
function exceptionsOf(door: string, { except = [] }: Case): Fields {
  return Object.assign({}, ...except.map(([{ on }, fields]) => (on.includes(door) ? fields : {}))) as Fields;
}

/** The events of each case, by the name of the door. */
const recordedBy = new Map<string, Map<Case, Fields>>();

describe.each(DOORS)('%s', (name, door) => {
  let folder: string;
  let bare: RunningDoor;
  let audited: RunningDoor;
  const recorded = new Map<Case, Fields>();
  const options = (): AuditModuleOptions => ({
    database: { type: 'better-sqlite3', database: join(folder, 'audit.sqlite') },
    delivery: { directory: join(folder, 'journal') },
  });

  beforeAll(async () => {
    recordedBy.set(name, recorded);
    folder = mkdtempSync(join(tmpdir(), 'audit-doors-'));
    bare = await door.start(undefined);
    audited = await door.start(options());
  });
  afterAll(async () => {
    await bare.close();
    await audited.close();
    rmSync(folder, { recursive: true });
  });

  it.each(CASES.map((one) => [one.name, one] as const))('%s', async (_case, one) => {
    const { event, ...sent } = one;
    const before = (await audited.events()).length;
    const answer = await send(audited.url, sent);
    expect(lasting(answer)).toEqual(lasting(await send(bare.url, sent)));
    const isThere = async () => (await audited.events()).length > before;
    if (event) await vi.waitUntil(isThere, { timeout: 5_000, interval: 10 });
    const events = (await audited.events()).slice(before);
    expect(events).toHaveLength(event ? 1 : 0);
    if (!event) return;
    const fields = fieldsOf(events[0]!);
    recorded.set(one, fields);
    const expected: Fields = { 'metadata.stageErrors': undefined, ...event, ...exceptionsOf(name, one) };
    const found = Object.keys(expected).map((path) => [path, fields[path]]);
    expect(Object.fromEntries(found)).toEqual(expected);
  });
});

/** What differs from one session to the next, and what a platform names by its own words. */
const OWN = ['id', 'timestamp'].concat(
  ['source', 'sequence', 'requestId', 'durationMs', 'handler', 'errorName'].map((name) => `metadata.${name}`),
);
/** What follows from other fields. */
const DERIVED = ['severity', 'riskScore', 'metadata.riskFactors', 'details'];

describe('the same session', () => {
  const [[first]] = DOORS as [[string, unknown]];

  it.each(DOORS.slice(1))('leaves the same events on %s', (name) => {
    for (const [one, fields] of recordedBy.get(name)!) {
      const there = recordedBy.get(first)!.get(one)!;
      const exceptions = Object.keys({ ...exceptionsOf(name, one), ...exceptionsOf(first, one) });
      const left = new Set([...OWN, ...exceptions, ...(exceptions.length > 0 ? DERIVED : [])]);
      const isLeft = (path: string) => [...left].some((name) => path === name || path.startsWith(`${name}.`));
      const shared = (all: Fields) =>
        Object.fromEntries(Object.entries(all).filter(([path]) => !isLeft(path)));
      expect([one.name, shared(fields)]).toEqual([one.name, shared(there)]);
    }
  });
});

const differences = new Map(
  CASES.flatMap(({ except = [] }) => except.map(([one]) => [one.what + one.why, one])),
);

describeGenerated('docs/start/doors.md', {
  differences: membersTable(
    ['Platform', 'What is different', 'Why'],
    [...differences.values()],
    ({ on, what, why }) => [on.join(', '), what, why],
  ),
});
