// Measures what an event costs in the journal, and what it would cost elsewhere, for docs/decisions/008-journal-files.md:
// `npm run bench -- --only journal [folder]`. Interleaved rounds in a temporary folder (of the system, or in the one named);
// medians and quartiles of microseconds per event. Needs a build, which the command makes, and no server.
import Database from 'better-sqlite3';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { crc32 } from 'node:zlib';
import { encodeLine } from '../../../dist/esm/journal/journal-line.js';
import { Segment } from '../../../dist/esm/journal/segment.js';

/** Many and short: what else the machine does then spoils few of them. */
const ROUNDS = 51;
const BATCH = 100;

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'audit-measure-'));

/** An event as the README shows one, without the values that are longest there: about 500 bytes of JSON. */
function eventOf(sequence) {
  return {
    id: `01a2092a-40f3-7618-b679-${String(sequence).padStart(12, '0')}`,
    timestamp: 1_795_450_093_811 + sequence,
    tenantId: 'default',
    userId: 'u-118',
    action: 'invoice.approve',
    resource: 'invoice',
    resourceId: 'INV-7',
    details: { amount: 120 },
    ipAddress: '127.0.0.1',
    severity: 'high',
    category: 'data_modification',
    outcome: 'success',
    riskScore: 45,
    complianceFlags: [],
    metadata: {
      method: 'POST',
      path: '/invoices/INV-7/approve',
      route: '/invoices/:id/approve',
      statusCode: 201,
      durationMs: 3.1,
      actorType: 'user',
      schemaVersion: 1,
      source: '01a2092a-37dd-7618-b679-271106589fe4',
      sequence,
    },
  };
}

const PREPARED = 1_000;
const events = Array.from({ length: PREPARED }, (_, index) => eventOf(index + 1));
const bodies = events.map((event) => JSON.stringify(event));
const texts = bodies.map((body, index) => `event ${index + 1} ${index + 1} ${body}`);
const lines = bodies.map((body, index) => encodeLine('event', index + 1, index + 1, body));

let files = 0;

/** Runs `work` with a fresh segment, whose file is deleted after it. */
async function withSegment(work) {
  const segment = Segment.create(folder, (files += 1));
  try {
    return await work(segment);
  } finally {
    segment.remove();
  }
}

const database = new Database(join(folder, 'measure.sqlite'));
database.pragma('journal_mode = WAL');
database.pragma('synchronous = NORMAL');
database.exec('CREATE TABLE journal (number INTEGER PRIMARY KEY, event TEXT NOT NULL)');
const insert = database.prepare('INSERT INTO journal (event) VALUES (?)');
const insertBatch = database.transaction((batch) => {
  for (const body of batch) insert.run(body);
});

/** Each works off `count` events, and answers how many milliseconds that took. */
const CANDIDATES = {
  'checksum of the line alone': {
    count: 5_000,
    run: (count) => {
      let sum = 0;
      const start = performance.now();
      for (let index = 0; index < count; index += 1) sum ^= crc32(texts[index % PREPARED]);
      const took = performance.now() - start;
      // Used, so that nobody finds out that it need not be computed.
      return sum === 0.5 ? 0 : took;
    },
  },
  '`writeSync` of a line that is made already': {
    count: 2_000,
    run: (count) => {
      const path = join(folder, 'plain');
      const fd = openSync(path, 'a');
      const start = performance.now();
      for (let index = 0; index < count; index += 1) writeSync(fd, lines[index % PREPARED]);
      const took = performance.now() - start;
      closeSync(fd);
      unlinkSync(path);
      return took;
    },
  },
  'the journal: a line made of the JSON, with its checksum, and appended': {
    count: 2_000,
    run: (count) =>
      withSegment((segment) => {
        const start = performance.now();
        for (let index = 0; index < count; index += 1) {
          segment.append(encodeLine('event', index + 1, index + 1, bodies[index % PREPARED]));
        }
        return performance.now() - start;
      }),
  },
  'the same, with `JSON.stringify` of the event': {
    count: 2_000,
    run: (count) =>
      withSegment((segment) => {
        const start = performance.now();
        for (let index = 0; index < count; index += 1) {
          const body = JSON.stringify(events[index % PREPARED]);
          segment.append(encodeLine('event', index + 1, index + 1, body));
        }
        return performance.now() - start;
      }),
  },
  'the journal, and `fdatasync` for each event': {
    count: 10,
    run: (count) =>
      withSegment(async (segment) => {
        const start = performance.now();
        for (let index = 0; index < count; index += 1) {
          segment.append(encodeLine('event', index + 1, index + 1, bodies[index % PREPARED]));
          await segment.sync();
        }
        return performance.now() - start;
      }),
  },
  [`the journal, and one \`fdatasync\` for ${BATCH} events`]: {
    count: 2 * BATCH,
    run: (count) =>
      withSegment(async (segment) => {
        const start = performance.now();
        for (let index = 0; index < count; index += 1) {
          segment.append(encodeLine('event', index + 1, index + 1, bodies[index % PREPARED]));
          if (index % BATCH === BATCH - 1) await segment.sync();
        }
        return performance.now() - start;
      }),
  },
  'SQLite: one INSERT for each event': {
    count: 500,
    run: (count) => {
      const start = performance.now();
      for (let index = 0; index < count; index += 1) insert.run(bodies[index % PREPARED]);
      return performance.now() - start;
    },
  },
  [`SQLite: ${BATCH} events in a transaction`]: {
    count: 20 * BATCH,
    run: (count) => {
      const start = performance.now();
      for (let index = 0; index < count; index += BATCH) {
        insertBatch(bodies.slice(index % PREPARED, (index % PREPARED) + BATCH));
      }
      return performance.now() - start;
    },
  },
};

/** Of the folder, where the system can say. */
function fileSystem() {
  try {
    return execFileSync('df', ['-PT', folder], { encoding: 'utf8' }).trim().split('\n')[1].split(/\s+/)[1];
  } catch {
    return 'an unknown file system';
  }
}

const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.round(share * (values.length - 1))];
const shown = (value) => (value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0));

try {
  const times = new Map(Object.keys(CANDIDATES).map((name) => [name, []]));
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, { count, run }] of Object.entries(CANDIDATES)) {
      const took = await run(count);
      if (round > 0) times.get(name).push((took / count) * 1_000);
    }
    if (round % 10 === 0) process.stderr.write(`round ${round} of ${ROUNDS}\n`);
  }
  const bytes = lines.reduce((sum, line) => sum + line.length, 0) / lines.length;
  console.log(
    `Node ${process.version}, better-sqlite3 with SQLite ${database.prepare('SELECT sqlite_version()').pluck().get()} ` +
      `(WAL, synchronous = NORMAL); ${process.platform} ${release()}, ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), ${fileSystem()}.\n` +
      `Lines of ${bytes.toFixed(0)} bytes, medians of ${ROUNDS} interleaved rounds, with the quartiles.\n`,
  );
  console.log('| per event | µs | quartiles | over the journal |\n| --- | --- | --- | --- |');
  const [, , journal] = times.values();
  for (const [name, rounds] of times) {
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(rounds, share));
    console.log(
      `| ${name} | ${shown(middle)} | ${shown(low)}–${shown(high)} | ${(middle / quantile(journal, 0.5)).toFixed(2)} |`,
    );
  }
} finally {
  database.close();
  rmSync(folder, { recursive: true, force: true });
}
