// The process beside a run of the tests: reads what there is to undo, a task a line, and undoes it once the input
// ends, which it does when the run has ended in any way.
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { mysqlServer } from './mysql-server.mjs';
import { postgresServer } from './postgres-server.mjs';

/**
 * One of: end a process group, by the signal or by waiting for it; forget one that has ended; remove a folder; drop
 * the databases whose names begin with the prefix.
 *
 * @typedef {{ processGroup: number, signal?: NodeJS.Signals } | { ended: number } | { folder: string }
 *   | { kind: 'mysql' | 'postgres', server: import('./find-server.mjs').ServerAddress, prefix: string }} Task
 */

const KINDS = { mysql: mysqlServer, postgres: postgresServer };
const END_DEADLINE_MS = 10_000;
const POLL_MS = 20;

let tasks = [];
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  if (task.ended) tasks = tasks.filter(({ processGroup }) => processGroup !== task.ended);
  else tasks.push(task);
}
await undo('processGroup', endProcesses);
await undo('kind', dropDatabases);
await undo('folder', removeFolder);

async function undo(property, action) {
  const results = await Promise.allSettled(tasks.filter((task) => task[property]).map(action));
  for (const { status, reason } of results) {
    if (status === 'fulfilled') continue;
    console.error(`After the tests: ${reason.message}`);
    process.exitCode = 1;
  }
}

async function endProcesses({ processGroup, signal }) {
  if (signal && !send(processGroup, signal)) return;
  const deadline = Date.now() + END_DEADLINE_MS;
  // Signal 0 only asks whether it is there.
  while (send(processGroup, 0)) {
    if (Date.now() > deadline) {
      send(processGroup, 'SIGKILL');
      return;
    }
    await delay(POLL_MS);
  }
}

function send(processGroup, signal) {
  try {
    return process.kill(-processGroup, signal);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
    throw error;
  }
}

async function dropDatabases({ kind, server, prefix }) {
  const { query, listDatabases, dropDatabase } = KINDS[kind];
  const names = (await query(server, [listDatabases])).map(({ name }) => name);
  await query(server, names.filter((name) => name.startsWith(prefix)).flatMap(dropDatabase));
}

async function removeFolder({ folder }) {
  // What a killed server was just writing can make the first attempt fail.
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
