// HTTP/2 in Node's compatibility mode: by the door for any server, and by Fastify's.
import { connect, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { auditTrail } from 'nest-audit-trail/fastify';
import { NodeAudit } from 'nest-audit-trail/node';
import { allOf } from './door.js';

/** @param leaves the client resets its stream once the head of the answer has come */
function ask(url: string, path: string, leaves = false): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connect(url);
    session.on('error', reject);
    const stream = session.request({ ':path': path });
    let status = 0;
    stream.on('response', (headers) => {
      status = Number(headers[':status']);
      if (leaves) stream.close();
    });
    stream.resume();
    stream.on('close', () => session.close(() => resolve(status)));
  });
}

describe('HTTP/2', () => {
  let folder: string;
  const options = () =>
    ({
      database: { type: 'better-sqlite3', database: join(folder, 'audit.sqlite') },
      delivery: { directory: join(folder, 'journal') },
    }) as const;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'audit-http2-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const EXPECTED = [
    { metadata: { path: '/whole', statusCode: 200 }, outcome: 'success', ipAddress: '127.0.0.1' },
    { metadata: { path: '/left', statusCode: 200, aborted: true }, outcome: 'partial' },
  ];

  it('is recorded by the door for any server', async () => {
    const audit = new NodeAudit(options());
    await audit.ready();
    const server = createServer((request, response) =>
      audit.handle(request as never, response as never, () => {
        response.write('begun');
        if (request.url === '/whole') response.end();
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect([await ask(url, '/whole'), await ask(url, '/left', true)]).toEqual([200, 200]);
    await vi.waitUntil(async () => (await allOf(audit.service)).length === 2, { timeout: 5_000 });
    expect(await allOf(audit.service)).toMatchObject(EXPECTED);
    await new Promise((resolve) => server.close(resolve));
    await audit.close();
  });

  it("is recorded by Fastify's", async () => {
    const app = fastify({ http2: true }) as unknown as FastifyInstance;
    await app.register(auditTrail, options());
    app.get('/whole', async () => 'all of it');
    app.get('/left', (_request, reply) => {
      reply.hijack();
      reply.raw.write('begun');
    });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    expect([await ask(url, '/whole'), await ask(url, '/left', true)]).toEqual([200, 200]);
    const { service } = app.audit;
    await vi.waitUntil(async () => (await allOf(service)).length === 2, { timeout: 5_000 });
    expect(await allOf(service)).toMatchObject(EXPECTED);
    expect((await app.inject('/whole')).body).toBe('all of it');
    await vi.waitUntil(async () => (await allOf(service)).length === 3, { timeout: 5_000 });
    expect((await allOf(service))[2]).toMatchObject({ outcome: 'success', metadata: { path: '/whole' } });
    await app.close();
  });
});
