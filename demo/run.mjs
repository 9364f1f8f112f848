// `npm start`: compiles the demo, starts its API on embedded SQLite, plays a session of real HTTP requests against it,
// prints the events that it left, and stays up. `npm start -- --once` ends after the session, `--on express` plays it on another door.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { showLog } from './log.mjs';
import { printEvents, printStatistics, printUrls } from './print.mjs';
import { checkEvents, playSession } from './session.mjs';

const DEFAULT_PORT = 3000;
/** The doors, each with the module that serves the API there. */
const DOORS = { nest: 'nest', 'nest-fastify': 'nest', express: 'express', fastify: 'fastify' };
const HOST = '127.0.0.1';
const root = join(import.meta.dirname, '..');

await main().catch((error) => {
  console.error(`The demo failed: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});

async function main() {
  const { values } = parseArgs({
    options: { once: { type: 'boolean', default: false }, on: { type: 'string', default: 'nest' } },
  });
  if (!(values.on in DOORS)) throw new Error(`--on takes one of ${Object.keys(DOORS).join(', ')}`);
  await compile();
  const folder = await mkdtemp(join(tmpdir(), 'nest-audit-trail-demo-'));
  try {
    await run(folder, values.on, values.once);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compile() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const compiler = spawn(process.execPath, [tsc, '-p', join(root, 'tsconfig.demo.json')], {
    stdio: 'inherit',
  });
  const [code] = await once(compiler, 'exit');
  if (code !== 0) throw new Error('tsc -p tsconfig.demo.json found errors');
}

/**
 * @param {string} folder for the audit's database and journal; gone afterwards
 * @param {string} door
 */
async function run(folder, door, endAfterSession) {
  process.env.AUDIT_FILE = join(folder, 'audit.sqlite');
  process.env.AUDIT_JOURNAL = join(folder, 'audit-journal');
  const { generateKeys } = await import('nest-audit-trail/ledger');
  const { signerKey, verifierKey } = generateKeys('audit.accounting.example');
  process.env.AUDIT_SIGNING_KEY = signerKey;
  // Only now: the module reads the variable, and before compiling there is nothing to import.
  const { serve } = await import(`../build/demo/${DOORS[door]}.js`);
  const app = await serve(door);
  const interrupted = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, resolve);
  });
  try {
    const url = `http://${HOST}:${await listen(app)}`;
    const { audit } = app;
    const resetToken = app.users.issueResetToken('dave@globex.example');

    console.log(`\nThe accounting API is up at ${url}, by the door ${door}. A session of real requests:\n`);
    const session = await playSession(url, audit, resetToken);
    await audit.flush();

    const events = [];
    for await (const event of audit.stream({ allTenants: true, order: 'oldest' })) events.push(event);
    console.log('\nIts events, of all tenants, as they are stored:\n');
    printEvents(events);
    console.log('\nThe same in figures:\n');
    printStatistics(await audit.statistics({ allTenants: true }));

    await showLog({ audit, file: process.env.AUDIT_FILE, folder, verifierKey, events });

    const problems = checkEvents(session, events, door);
    if (problems.length > 0) throw new Error(`the events are not as expected:\n${problems.join('\n')}`);
    console.log(`
Checked: ${session.steps.length} requests, ${events.length} events. Each request has exactly one, the health check none; each is as it
should be; a burst of wrong passwords is one finding; and no password or token is in any of them.`);
    if (endAfterSession) return;

    app.showErrors?.();
    printUrls(url, session.tokens, process.env.AUDIT_FILE);
    await interrupted;
    console.log('\nClosing.');
  } finally {
    await app.close();
  }
}

/** PORT if it is set; else the default port, or the next that is free. */
async function listen(app) {
  const { PORT } = process.env;
  const ports = PORT ? [Number(PORT)] : Array.from({ length: 20 }, (_, next) => DEFAULT_PORT + next);
  for (const port of ports) {
    try {
      return await app.listen(port, HOST);
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error;
    }
  }
  throw new Error(`port ${ports.join(', ')} is in use; set PORT to a free one`);
}
