// Answers on connections that are no connections, or that are gone, by Node alone.
import { once } from 'node:events';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { NodeAudit } from 'nest-audit-trail/node';
import { allOf } from './door.js';

describe('an answer', () => {
  let audit: NodeAudit;

  beforeEach(async () => {
    audit = new NodeAudit({ database: { type: 'better-sqlite3', database: ':memory:' } });
    await audit.ready();
  });
  afterEach(() => audit.close());

  const theEvent = async () => {
    await vi.waitUntil(async () => (await allOf(audit.service)).length > 0, { timeout: 5_000 });
    return (await allOf(audit.service))[0]!;
  };

  it('of an adapter of a serverless platform has left when Node has handed it over', async () => {
    const nothing = () => undefined;
    // What serverless-http and serverless-express make: as much of a socket as Node asks for.
    const request = new IncomingMessage({
      remoteAddress: '203.0.113.9',
      destroy: nothing,
    } as unknown as Socket);
    Object.assign(request, { method: 'POST', url: '/payments' });
    const response = new ServerResponse(request);
    response.useChunkedEncodingByDefault = false;
    const write = (_chunk: unknown, encoding: unknown, sent?: () => void) => {
      if (typeof encoding === 'function') encoding();
      else sent?.();
      return true;
    };
    const socket = { writable: true, on: nothing, removeListener: nothing, cork: nothing, uncork: nothing };
    response.assignSocket({ ...socket, _writableState: {}, destroy: nothing, write } as unknown as Socket);
    const finished = once(response, 'finish');
    void audit.handle(request, response, () => {
      response.statusCode = 201;
      response.end('{}');
    });
    await finished;
    const event = await theEvent();
    expect(event).toMatchObject({
      outcome: 'success',
      ipAddress: '203.0.113.9',
      metadata: { statusCode: 201 },
    });
    expect(event.metadata).not.toHaveProperty('aborted');
  });

  it('that is ended after its client has gone did not arrive', async () => {
    const server = createServer((request, response) => {
      void audit.handle(request, response, () => request.on('aborted', () => response.end('late')));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.write('GET /things HTTP/1.1\r\nhost: here\r\n\r\n');
    await once(server, 'request');
    client.resetAndDestroy();
    expect(await theEvent()).toMatchObject({ outcome: 'partial', metadata: { aborted: true } });
    server.close();
  });

  it('of a user who has taken the place of another says nothing of the other but the tenant', async () => {
    const server = createServer((request, response) => {
      Object.assign(request, {
        user: { id: 'support', tenantId: 'first', sid: 's-1', impersonatorId: 'boss' },
      });
      void audit.handle(request, response, () => {
        audit.service.annotate({ details: { step: 1 } });
        void audit.service.record({ action: 'switch.begin', resource: 'switch' }).then(() => {
          Object.assign(request, { user: { id: 'bob' } });
          response.end();
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/switch`);
    await vi.waitUntil(async () => (await allOf(audit.service)).length > 1, { timeout: 5_000 });
    const event = (await allOf(audit.service)).find(({ action }) => action !== 'switch.begin')!;
    expect(event).toMatchObject({ userId: 'bob', tenantId: 'first' });
    expect(event).not.toHaveProperty('sessionId');
    expect(event.metadata).not.toHaveProperty('impersonatorId');
    server.closeAllConnections();
    server.close();
  });
});
