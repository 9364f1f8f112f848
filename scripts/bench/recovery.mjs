// How long it takes to store what a process left in its journal: recorded while the database was away, and killed then.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { AskedProcess } from './asked-process.mjs';

/** @param {{ server: import('./servers.mjs').BenchServer, folder: string, events: number }} run */
export async function measureRecovery({ server, folder, events, say, complain }) {
  const directory = join(folder, 'left-behind');
  const delivery = { directory, maxJournalMegabytes: 16_384, shutdownTimeoutMs: 600_000 };
  const database = await server.create();
  const dying = new AskedProcess('writer.mjs', 'the process that is killed');
  await dying.ask('open', {
    database: { ...database, host: '127.0.0.1', port: await closedPort() },
    delivery,
  });
  const first = Math.ceil(events / 10);
  const recordBegun = performance.now();
  await dying.ask('recordOnly', first);
  const heapFirstMiB = await dying.ask('heapMiB');
  await dying.ask('recordOnly', events - first);
  const heapAllMiB = await dying.ask('heapMiB');
  const recordedMs = performance.now() - recordBegun;
  await dying.kill();
  say(
    `recovery: ${events} events recorded in ${(recordedMs / 1_000).toFixed(1)} s without the database, and killed; the main thread's heap had ${heapFirstMiB.toFixed(1)} MiB after a tenth of them, ${heapAllMiB.toFixed(1)} MiB after all`,
  );

  const next = new AskedProcess('writer.mjs', 'the process that recovers');
  const begun = performance.now();
  await next.ask('open', { database, delivery });
  const openedMs = performance.now() - begun;
  await next.ask('flush');
  const storedMs = performance.now() - begun;
  await next.ask('close');
  await next.end();
  const [{ stored }] = await server.query(database, [
    `SELECT count(DISTINCT id) AS stored FROM audit_events WHERE action NOT LIKE 'audit.%'`,
  ]);
  say(
    `recovery: open after ${(openedMs / 1_000).toFixed(1)} s, all stored after ${(storedMs / 1_000).toFixed(1)} s`,
  );
  if (Number(stored) !== events)
    complain(`Recovery: ${events} events recorded, ${stored} stored. It does not count.`);
  return {
    events,
    stored: Number(stored),
    heapFirstMiB,
    heapAllMiB,
    recordedMs,
    openedMs,
    storedMs,
    perSecond: events / (storedMs / 1_000),
  };
}

/** Of this machine, on which nobody listens. */
async function closedPort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
