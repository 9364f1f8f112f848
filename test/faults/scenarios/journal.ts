// The journal itself fails: its disk, its directory, its bytes, its only owner, its clock.
import { renameSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Application } from '../application.js';
import type { Bench } from '../bench.js';
import { eventually } from '../eventually.js';
import { lostIn } from '../gaps.js';
import { flipByte, tearOff } from '../journal-bytes.js';
import { limitFileSize } from '../journal-disk.js';
import { deviations } from '../ledger.js';
import type { Mode } from '../ledger.js';
import type { Load } from '../load.js';
import { expectNoFailure, expectRefusedBeforeHandler, expectRefusedOrServed, healthy } from './outages.js';

/** Two applications share the machine with those of the other server. */
const PER_SECOND = 60;
/** Files that are soon full. How long a strict answer waits for its commit, which a loaded machine decides, is no matter here. */
const SMALL_SEGMENTS = { segmentKilobytes: 16, flushIntervalMs: 50, strictTimeoutMs: 10_000 } as const;
const HOUR_MS = 3_600_000;

interface DiskFault {
  readonly title: string;
  /** Whether nothing at all can be written. Else what the journal itself has there still serves it at times. */
  readonly total: boolean;
  readonly happen: (application: Application) => void;
  readonly mend: (application: Application) => Promise<void> | void;
}

const DISK_FAULTS: readonly DiskFault[] = [
  {
    title: 'is full',
    total: false,
    happen: ({ disk, process }) => disk.fill(process.pid),
    mend: ({ disk, process }) => disk.free(process.pid),
  },
  {
    title: 'is read-only',
    total: false,
    happen: ({ disk }) => disk.makeReadOnly(),
    mend: ({ disk }) => disk.makeWritable(),
  },
  {
    title: 'takes no byte',
    total: true,
    happen: ({ process }) => limitFileSize(process.pid, '0:'),
    mend: ({ process }) => limitFileSize(process.pid, 'unlimited:'),
  },
];

export function describeJournal(bench: Bench): void {
  for (const fault of DISK_FAULTS) {
    bench.scenarioForEach(
      ['durable', 'strict'],
      `delivers past its journal, or refuses before the handler, while the journal's disk ${fault.title}`,
      90_000,
      (mode) => failDisk(bench, mode, fault),
    );
  }

  bench.scenarioForEach(
    ['durable', 'strict'],
    "loses nothing when the journal's directory is removed while it runs",
    90_000,
    async (mode) => {
      const { application, load } = await begin(await bench.create(mode, SMALL_SEGMENTS));
      for (let time = 0; time < 3; time += 1) {
        // In one step: while its files are deleted, the application makes new ones in it.
        const aside = `${application.disk.directory}-${time}`;
        renameSync(application.disk.directory, aside);
        rmSync(aside, { recursive: true });
        await delay(1_500);
      }
      await healthy(application);
      await finish(application, load);
      if (mode === 'durable') expectNoFailure(application, load);
      else expectRefusedOrServed(application, load);
    },
  );

  bench.scenarioForEach(
    ['durable', 'strict'],
    'loses and doubles nothing when the clock goes back an hour, and forth again',
    90_000,
    async (mode) => {
      const { application, load } = await begin(await bench.create(mode, SMALL_SEGMENTS));
      await application.process.shiftClock(-HOUR_MS);
      await delay(2_000);
      // The next process has the machine's clock again, an hour later.
      await application.end('SIGKILL');
      await application.start();
      await delay(1_000);
      await finish(application, load);
    },
  );

  const damages = [
    {
      title: 'a byte in its middle changed',
      damage: (directory: string) => flipByte(directory, 'middle'),
      atMost: 1,
    },
    {
      title: 'a byte of its last line changed',
      damage: (directory: string) => flipByte(directory, 'tail'),
      atMost: 1,
    },
    { title: 'its last line torn', damage: tearOff, atMost: 1 },
  ];
  for (const { title, damage, atMost } of damages) {
    bench.scenario(
      `loses only what was damaged, and says what, when the journal has ${title}`,
      90_000,
      async () => {
        const application = await bench.create('durable');
        await application.proxy.refuse();
        await application.start();
        // Only reads: then every line of the journal is an event.
        const load = application.clients(PER_SECOND, { read: 20 });
        load.start();
        await delay(1_000);
        await load.stop();
        await application.end('SIGKILL');
        damage(application.disk.directory);
        await application.proxy.open();
        await application.start();
        await application.delivered();

        const sources = await application.process.sources();
        const events = await application.stored();
        const missing = deviations(application.account(), events);
        expect(missing.filter((line) => !line.endsWith('has no event'))).toEqual([]);
        expect(missing.length).toBeGreaterThan(0);
        expect(missing.length).toBeLessThanOrEqual(atMost);
        expect(lostIn(sources)).toBe(missing.length);
        const losses = events.filter(({ action }) => action === 'audit.loss');
        const [gap] = sources.flatMap(({ source, gaps }) => gaps.map((found) => ({ source, ...found })));
        expect(losses.map(({ details }) => [details['source'], details['firstSequence']])).toEqual([
          [gap?.source, gap?.from],
        ]);
        expect(application.output).toMatch(/journal/i);
        expect((await application.end('SIGTERM')).by).toBe('SIGTERM');
      },
    );
  }

  bench.scenario(
    'refuses to start a second process on the same directory, and leaves the first unharmed',
    60_000,
    async () => {
      const { application, load } = await begin(await bench.create('durable', SMALL_SEGMENTS));
      for (let attempt = 0; attempt < 2; attempt += 1) {
        const second = await application.startSecond();
        expect(await second.listening()).toBe(false);
        expect(await second.ended).toBe(1);
        const words = second.output.join('\n');
        expect(words).toContain(application.disk.directory);
        expect(words).toContain(String(application.process.pid));
      }
      await finish(application, load);
      expectNoFailure(application, load);
    },
  );
}

async function failDisk(bench: Bench, mode: Mode, { total, happen, mend }: DiskFault): Promise<void> {
  const { application, load } = await begin(await bench.createOnFailingDisk(mode, SMALL_SEGMENTS));
  happen(application);
  await journalFails(application);
  await delay(500);
  const knownAt = performance.now();
  await delay(3_000);
  if (total) expect((await application.process.status()).healthy).toBe(false);
  const mendedAt = performance.now();
  await mend(application);
  await healthy(application);
  const wellAt = performance.now();
  await delay(500);
  await finish(application, load);
  if (mode === 'durable') return expectNoFailure(application, load);
  if (total) expectRefusedBeforeHandler(application, load, knownAt, mendedAt);
  expectRefusedOrServed(application, load);
  expectNoFailure(application, load, wellAt);
}

/** Starts it, with clients, and lets it work for a while. */
async function begin(application: Application): Promise<{ application: Application; load: Load }> {
  await application.start();
  await healthy(application);
  const load = application.clients(PER_SECOND);
  load.start();
  await delay(1_000);
  return { application, load };
}

/** Nothing is missing, nothing twice, and no number. */
async function finish(application: Application, load: Load): Promise<void> {
  await load.stop();
  await application.settle();
}

/** Returns when the application says that its journal fails: the fault has come about. */
async function journalFails({ process }: Application): Promise<void> {
  await eventually('The failure of the journal', 20_000, async () => (await process.status()).journalError);
}
