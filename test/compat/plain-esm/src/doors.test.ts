import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import express from 'express';
import fastify from 'fastify';
import { auditTrail, audited } from 'nest-audit-trail/express';
import type { AuditService } from 'nest-audit-trail/express';
import { auditTrail as fastifyAudit } from 'nest-audit-trail/fastify';
import { NodeAudit } from 'nest-audit-trail/node';
import { risk } from 'nest-audit-trail/risk';

test('no package of Nest is installed', () => {
  assert.deepEqual(
    readdirSync('node_modules').filter((name) => name === '@nestjs'),
    [],
  );
});

/** The audit's options, of a database and a journal that are gone afterwards. */
async function withOptions(use: (options: ReturnType<typeof optionsIn>) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'plain-'));
  try {
    await use(optionsIn(folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function optionsIn(folder: string) {
  return {
    database: { type: 'better-sqlite3', database: join(folder, 'audit.sqlite') },
    delivery: { directory: join(folder, 'journal') },
  } as const;
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** One request is one event that says what it was. */
async function isRecorded(url: string, service: AuditService): Promise<void> {
  const answer = await fetch(`${url}/invoices/7`, { headers: { connection: 'close' } });
  assert.equal(answer.status, 200);
  await answer.text();
  await service.flush();
  const { events } = await service.find({ allTenants: true });
  const told = events.map(({ action, resourceId, severity }) => ({ action, resourceId, severity }));
  assert.deepEqual(told, [{ action: 'invoice.read', resourceId: '7', severity: 'high' }]);
}

test('Express', () =>
  withOptions(async (options) => {
    const audit = auditTrail({ ...options, features: [risk()] });
    await audit.ready();
    const app = express();
    app.use(audit);
    app.get('/invoices/:id', audited({ severity: 'high' }), (request, response) => {
      request.audit.annotate({ details: { seen: true } });
      response.json({});
    });
    const server = createServer(app);
    await isRecorded(await listening(server), audit.service);
    await new Promise((resolve) => server.close(resolve));
    await audit.close();
  }));

test('Fastify', () =>
  withOptions(async (options) => {
    const app = fastify();
    await app.register(fastifyAudit, options);
    app.get('/invoices/:id', { config: { audit: { severity: 'high' } } }, async (request) => {
      request.audit.annotate({ details: { seen: true } });
      return {};
    });
    await isRecorded(await app.listen({ host: '127.0.0.1', port: 0 }), app.audit.service);
    await app.close();
  }));

test('node:http', () =>
  withOptions(async (options) => {
    const audit = new NodeAudit(options);
    await audit.ready();
    const server = createServer((request, response) =>
      audit.handle(request, response, async () => {
        await audit.route(request, { pattern: '/invoices/:id', params: { id: '7' }, severity: 'high' });
        response.end('{}');
      }),
    );
    await isRecorded(await listening(server), audit.service);
    await new Promise((resolve) => server.close(resolve));
    await audit.close();
  }));
