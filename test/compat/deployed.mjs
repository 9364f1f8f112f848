// Starts the compiled application as it is deployed, by plain `node dist/main.js`, and looks for its one event.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { run, start } from './command.mjs';

const PATIENCE_MS = 30_000;
const headers = {
  authorization: 'Bearer alice@acme',
  'content-type': 'application/json',
  connection: 'close',
};

/**
 * One request becomes one event, which a signal does not lose, the next start finds, and the command line verifies.
 *
 * @param env that of the cell's Node
 * @param url an empty database on a server; without it, the application makes an SQLite file
 */
export async function checkDeployed(folder, env, url) {
  if (url)
    await run(folder, ['npx', 'typeorm', 'migration:run', '-d', 'dist/audit-migrations.js'], 1, {
      ...env,
      AUDIT_OWNER_URL: url,
    });
  const deployment = { folder, env: { ...env, ...(url && { AUDIT_DATABASE_URL: url }) } };
  await whileStarted(deployment, async (address) => {
    const answer = await fetch(`${address}/invoices`, { method: 'POST', headers, body: '{ "amount": 120 }' });
    assert.equal(answer.status, 201);
  });
  await whileStarted(deployment, async (address) => {
    const answer = await fetch(`${address}/audit-trail`, { headers });
    const { events } = await answer.json();
    assert.deepEqual(
      events.map(({ action, userId, details }) => ({ action, userId, details })),
      [{ action: 'invoice.create', userId: 'alice', details: { amount: 120 } }],
    );
  });
  const verify = ['npx', 'nest-audit', 'verify', '--database-url', url ?? 'sqlite:audit.sqlite', '--json'];
  const { ok, events, pending } = JSON.parse((await run(folder, verify, 1, env)).split('\n')[0]);
  // Of reading the log there is none: its controller is under @NoAudit().
  assert.deepEqual({ ok, events, pending }, { ok: true, events: 1, pending: 0 });
}

/** Starts the application, does the work with its address, and ends it as a platform does, by SIGTERM. */
async function whileStarted({ folder, env }, work) {
  const started = start(folder, ['node', 'dist/main.js'], env);
  const giveUp = setTimeout(() => started.stop('SIGKILL'), PATIENCE_MS);
  let ended = false;
  void started.ended.then(() => (ended = true));
  try {
    while (!started.output.includes('listening at ') && !ended) await delay(20);
    const [, address] = /listening at (\S+)/.exec(started.output) ?? [];
    assert.ok(address, 'it did not start');
    await work(address);
    started.stop('SIGTERM');
    const { reason } = await started.ended;
    assert.equal(reason, 'SIGTERM');
  } catch (error) {
    throw Object.assign(error, { output: started.output });
  } finally {
    started.stop('SIGKILL');
    clearTimeout(giveUp);
  }
}
