// Records one request by the built package on embedded SQLite, and finds its event: the least that has to work.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeAudit } from 'nest-audit-trail/node';

const folder = mkdtempSync(join(tmpdir(), 'audit-smoke-'));
const audit = new NodeAudit({
  database: { type: 'better-sqlite3', database: join(folder, 'audit.sqlite') },
  delivery: { directory: join(folder, 'journal') },
});
const server = createServer((request, response) =>
  audit.handle(request, response, async () => {
    await audit.route(request, { pattern: '/invoices/:id', params: { id: '7' }, user: { id: 'ann' } });
    response.end('{}');
  }),
);
try {
  await audit.ready();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/invoices/7`);
  assert.equal(await answer.text(), '{}');
  await audit.service.flush();
  const { events } = await audit.service.find({ allTenants: true });
  const told = events.map(({ action, resourceId, userId, outcome }) => ({
    action,
    resourceId,
    userId,
    outcome,
  }));
  assert.deepEqual(told, [{ action: 'invoice.read', resourceId: '7', userId: 'ann', outcome: 'success' }]);
  await audit.service.checkpoint();
  assert.equal((await audit.service.verify()).ok, true);
} finally {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await audit.close();
  rmSync(folder, { recursive: true });
}
