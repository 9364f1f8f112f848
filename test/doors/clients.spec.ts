// Many clients at once, and many requests of one connection, on every platform.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dial } from '../support/http-client.js';
import type { RunningDoor } from './door.js';
import { DOORS } from './doors.js';
import { send } from './send.js';

describe.each(DOORS)('%s', (_name, door) => {
  let folder: string;
  let running: RunningDoor;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'audit-doors-'));
    running = await door.start({
      database: { type: 'better-sqlite3', database: join(folder, 'audit.sqlite') },
      delivery: { directory: join(folder, 'journal') },
    });
  });
  afterEach(async () => {
    await running.close();
    rmSync(folder, { recursive: true });
  });

  const bearer = (user: string, tenant = 'acme') => `Bearer ${user}@${tenant}`;
  const events = async (count: number) => {
    await vi.waitUntil(async () => (await running.events()).length === count, {
      timeout: 10_000,
      interval: 50,
    });
    return running.events();
  };
  const USERS = Array.from({ length: 10 }, (_, index) => `u${index}`);
  const theirs = USERS.map((user, index) => [user, `session-${user}`, String(index), 'success']);

  it('keeps requests of one connection apart', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const [index, user] of USERS.entries()) {
      const headers = { authorization: bearer(user) };
      await send(running.url, { method: 'GET', path: `/invoices/${index}`, headers, agent });
    }
    agent.destroy();
    const told = (await events(USERS.length)).map(({ userId, sessionId, resourceId, outcome }) => [
      userId,
      sessionId,
      resourceId,
      outcome,
    ]);
    expect(told).toEqual(theirs);
  });

  it('keeps pipelined requests apart', async () => {
    const socket = await dial(Number(new URL(running.url).port));
    const lines = USERS.map(
      (user, index) => `GET /invoices/${index} HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer(user)}\r\n`,
    );
    socket.write(`${lines.join('\r\n')}Connection: close\r\n\r\n`);
    socket.resume();
    await once(socket, 'close');
    const told = (await events(USERS.length)).map(({ userId, sessionId, resourceId, outcome }) => [
      userId,
      sessionId,
      resourceId,
      outcome,
    ]);
    expect(told.sort()).toEqual(theirs);
  });

  it('tells of pipelined requests whose client went away while they waited', async () => {
    const socket = await dial(Number(new URL(running.url).port));
    const lines = ['/raw/never', '/invoices/1', '/invoices/2'].map(
      (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    socket.write(lines.join(''));
    // 102 Processing: the first handler runs, and will never answer.
    await once(socket, 'data');
    socket.destroy();
    for (const { outcome, metadata } of await events(3)) {
      expect([outcome, metadata['aborted']]).toEqual(['partial', true]);
    }
  });

  it('mixes up nobody in 1,000 requests at once, of 50 users in 5 tenants', async () => {
    const whoOf = (place: number) => ({ userId: `u${place % 50}`, tenantId: `t${place % 5}` });
    const places = Array.from({ length: 1_000 }, (_, place) => place);
    const agent = new Agent({ keepAlive: true });
    const ask = async (place: number) => {
      const { userId, tenantId } = whoOf(place);
      const headers = { authorization: bearer(userId, tenantId) };
      const method = place % 3 === 0 ? 'PUT' : 'GET';
      const { status } = await send(running.url, { method, path: `/invoices/${place}`, headers, agent });
      expect(status).toBe(200);
    };
    await Promise.all(places.map(ask));
    agent.destroy();
    const told = (await events(places.length)).map(
      ({ resourceId, userId, tenantId, sessionId, action }) =>
        [Number(resourceId), { userId, tenantId }, sessionId, action] as const,
    );
    told.sort(([a], [b]) => a - b);
    expect(told).toEqual(
      places.map((place) => [
        place,
        whoOf(place),
        `session-${whoOf(place).userId}`,
        place % 3 === 0 ? 'invoice.update' : 'invoice.read',
      ]),
    );
  }, 90_000);
});
