// What clients write into headers and paths: an address that is none, characters that no log and no terminal can show.
import type { NestExpressApplication } from '@nestjs/platform-express';
import { once } from 'node:events';
import type { AuditLogEvent } from 'nest-audit-trail';
import { startAuditedApp } from '../../support/audited-app.js';
import type { AuditedApp } from '../../support/audited-app.js';
import { dial, send } from '../../support/http-client.js';
import { createDatabase } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

let database: TestDatabase;
let app: AuditedApp;

beforeAll(async () => {
  database = await createDatabase('sqlite');
  app = await startAuditedApp(
    { database: database.options, delivery: { directory: database.journal } },
    (main: NestExpressApplication) => main.set('trust proxy', true),
  );
});

afterAll(async () => {
  await app?.close();
  await database?.drop();
});

describe('an event without an address, by X-Forwarded-For', () => {
  const SOCKET = '127.0.0.1';

  it.each<[claimed: string, stored: string]>([
    ['unknown', SOCKET],
    ['_hidden', SOCKET],
    ['', SOCKET],
    [', ', SOCKET],
    ['999.1.1.1', SOCKET],
    ['203.0.113.7.5', SOCKET],
    ['for=203.0.113.7', SOCKET],
    ['"203.0.113.7"', SOCKET],
    ['::ffff:1.2.3.4.5', SOCKET],
    ['localhost', SOCKET],
    ['\u00e9', SOCKET],
    ['203.0.113.7', '203.0.113.7'],
    [', 203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:5678', '203.0.113.7'],
    ['[2001:DB8::1]:1234', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['203.0.113.7, 198.51.100.1', '203.0.113.7'],
  ])('%j', tell);

  it.each(['x', '1', ':', '1:', '['])('four thousand times %j', (part) => tell(part.repeat(4_000), SOCKET));

  async function tell(claimed: string, stored: string): Promise<void> {
    const requestId = app.requestId();
    await send(app.port, {
      path: '/api/invoices',
      headers: { 'x-forwarded-for': claimed, 'x-request-id': requestId },
    });
    const { ipAddress, metadata } = await app.eventOf(requestId);
    expect(ipAddress).toBe(stored);
    // What was claimed and is no address is said to be one that could not be read.
    if (metadata['stageErrors'] !== undefined) expect(metadata['stageErrors']).toEqual(['resolve.ip']);
    if (stored !== SOCKET) expect(metadata).not.toHaveProperty('stageErrors');
  }
});

describe('control characters of a client in an event', () => {
  // oxlint-disable-next-line no-control-regex
  const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
  const C1 = Array.from({ length: 32 }, (_, index) => String.fromCharCode(0x80 + index)).join('');

  /** Sends bytes that no well-behaved client does. */
  async function sendRaw(lines: readonly string[]): Promise<number> {
    const socket = await dial(app.port);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
    socket.write(Buffer.from([...lines, 'Host: x', 'Connection: close', '', ''].join('\r\n'), 'latin1'));
    await once(socket, 'close');
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1]);
  }

  async function newest(): Promise<AuditLogEvent> {
    await app.audit.flush();
    const { events } = await app.audit.find({ allTenants: true, limit: 1 });
    return events[0]!;
  }

  function expectShown(event: AuditLogEvent): void {
    for (const [name, value] of Object.entries({ ...event, ...event.metadata })) {
      for (const text of [value].flat()) expect([name, CONTROL.test(String(text))]).toEqual([name, false]);
    }
  }

  it.each<[what: string, id: string, shown: string]>([
    ['a tab', 'a\tb', 'a\\u0009b'],
    ['C1', `a${C1}b`, `a${[...C1].map((char) => `\\u00${char.charCodeAt(0).toString(16)}`).join('')}b`],
    ['the beginning of a terminal sequence', 'a\u009b31mb', 'a\\u009b31mb'],
  ])('%s in the request id', async (_what, id, shown) => {
    expect(await sendRaw(['GET /api/invoices HTTP/1.1', `X-Request-Id: ${id}`])).toBe(200);
    const event = await newest();
    expect(event.metadata['requestId']).toBe(
      shown.length > 200 ? expect.stringContaining('a\\u0080') : shown,
    );
    expect(String(event.metadata['requestId']).length).toBeLessThanOrEqual(200);
    expectShown(event);
  });

  it.each<[what: string, lines: readonly string[]]>([
    ['the path', [`GET /api/invoices/${C1} HTTP/1.1`]],
    ['the path, of a route that is none', [`GET /nowhere/${C1} HTTP/1.1`]],
    [
      'a path that is stored decoded, since a secret was in it',
      [
        'GET /nowhere/%0A%C2%9B/%65yJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c HTTP/1.1',
      ],
    ],
    ['the user agent', ['GET /api/invoices HTTP/1.1', `User-Agent: a\t${C1}b`]],
    ['traceparent', ['GET /api/invoices HTTP/1.1', `Traceparent: 00-\t${C1}-01`]],
    [
      'the user, tenant and session',
      ['GET /api/invoices HTTP/1.1', `Authorization: Bearer u\t${C1}:t\t:s\t`],
    ],
    ['the address', ['GET /api/invoices HTTP/1.1', `X-Forwarded-For: ::1%\t${C1}`]],
    ['a parameter', ['GET /api/invoices/%09%00%C2%9B HTTP/1.1']],
  ])('%s', async (_what, lines) => {
    const before = await newest();
    const status = await sendRaw(lines);
    const event = await newest();
    // What Node's own parser refuses never becomes a request.
    if (status === 400) expect(event.id).toBe(before.id);
    else expect(event.metadata['statusCode']).toBe(status);
    expectShown(event);
  });
});
