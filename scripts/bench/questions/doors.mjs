// Measures what the audit costs a GET by each door, for docs/start/doors.md: `npm run bench -- --only doors [rounds]`. On Node 24; each door audited
// and bare, by turns, with MariaDB. Prints the main thread's time that the audit adds to a request, and that over Nest on Express.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEndOfRun, endRun } from '../../../test/support/harness/end-of-run.mjs';
import { AskedProcess } from '../asked-process.mjs';
import { installPlatforms } from '../platforms.mjs';
import { COUNT } from '../requests.mjs';
import { BenchServer } from '../servers.mjs';
import { figureOf, show } from '../statistics.mjs';
import { Subject } from '../subject.mjs';

const [ROUNDS = '5'] = process.argv.slice(2);
const CONNECTIONS = 32;
const SECONDS = 1;
const DOORS = {
  nestExpress: 'Nest on Express',
  nestFastify: 'Nest on Fastify',
  express5: 'Express 5',
  express4: 'Express 4.21',
  fastify: 'Fastify 5',
};
const PACKAGES = ['@nestjs/platform-fastify', 'express', 'express4', 'fastify'];

const folder = mkdtempSync(join(tmpdir(), 'audit-bench-'));
atEndOfRun({ folder });
try {
  const server = await BenchServer.find('mysql');
  const [installed] = await installPlatforms(['node24-nest12'], folder, PACKAGES);
  const platform = { ...installed, application: join(installed.folder, 'door-application.mjs') };
  const clients = new AskedProcess('clients.mjs', 'the process of the clients');
  const added = Object.fromEntries(Object.keys(DOORS).map((door) => [door, []]));
  const pairs = [];
  for (const door of Object.keys(DOORS)) {
    const database = await server.create();
    const count = async () => {
      const [row] = await server.query(database, [COUNT]);
      return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, Number(value)]));
    };
    const bare = new Subject(`${door}, bare`, 'GET', platform, server, undefined, true);
    await bare.start({ door });
    const audited = new Subject(door, 'GET', platform, server, count, true);
    await audited.start({ door, options: { database, delivery: { directory: join(folder, door) } } });
    pairs.push([door, bare, audited]);
  }
  for (let round = 0; round <= Number(ROUNDS); round += 1) {
    for (const [door, ...subjects] of pairs) {
      for (const subject of subjects) {
        const wrong = await subject.measure(round, clients, CONNECTIONS, SECONDS, (rate) => rate / 2);
        if (wrong.length > 0) throw new Error(`Round ${round}, ${subject.name}: ${wrong.join(', ')}`);
      }
      const [bare, audited] = subjects.map(({ results }) => results[round].mainMicros);
      // The first warms up.
      if (round > 0) added[door].push(audited - bare);
      console.error(`round ${round}, ${door}: ${bare.toFixed(0)} µs bare, ${audited.toFixed(0)} µs audited`);
    }
  }
  await clients.end();
  for (const [, ...subjects] of pairs) for (const subject of subjects) await subject.close();
  console.log('| Door | main thread, added to a GET | over Nest on Express |\n| --- | --- | --- |');
  for (const [door, name] of Object.entries(DOORS)) {
    const ratios = added[door].map((micros, round) => micros / added.nestExpress[round]);
    console.log(`| ${name} | ${show(figureOf(added[door]), 0, ' µs')} | ${show(figureOf(ratios))} |`);
  }
} finally {
  await endRun();
}
