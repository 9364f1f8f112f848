// What a door keeps waiting, or refuses, until its event is safe: strict delivery, and a buffer without room, on every platform.
import { once } from 'node:events';
import { dial } from '../support/http-client.js';
import { DOORS } from './doors.js';
import { StartedDoor, WAIT } from './started-door.js';

/** For what is to run into the timeout. */
const IMPATIENT = { strictTimeoutMs: 500 };

describe.each(DOORS)('%s', (_name, door) => {
  const tested = new StartedDoor(door);

  it('answers a strict request once its event is committed', async () => {
    const { audit } = await tested.startStrict({ flushIntervalMs: 60_000 });
    for (const id of ['a', 'b', 'c']) {
      expect(await tested.ask('POST', `/things/${id}`)).toMatchObject({
        status: 200,
        body: `{"id":"${id}"}`,
      });
      const found = await audit!.find({ allTenants: true, resourceId: id });
      expect(found.events).toMatchObject([{ outcome: 'success', metadata: { statusCode: 200 } }]);
    }
  });

  it('refuses a strict request before its handler while there is no database, and records that', async () => {
    const { handled } = await tested.startStrict(IMPATIENT, false);
    const answer = await tested.ask('POST', '/things/refused');
    expect(answer.status).toBe(503);
    expect(answer.body).not.toContain('carriedOut":true');
    expect(handled).toEqual([]);
    await tested.store.restore();
    await vi.waitUntil(async () => (await tested.ask('POST', '/things/served')).status === 200, WAIT);
    const found = await tested.running.audit!.find({ allTenants: true, resourceId: 'refused' });
    expect(found.events).toMatchObject([
      { action: 'thing.post', outcome: 'failure', metadata: { statusCode: 503, stage: 'guard' } },
    ]);
  });

  it('goes route by route', async () => {
    const { handled } = await tested.startStrict({ mode: 'durable', ...IMPATIENT }, false);
    expect((await tested.ask('POST', '/things/strict/1')).status).toBe(503);
    expect((await tested.ask('POST', '/things/2')).status).toBe(200);
    expect(handled).toEqual(['2']);
  });

  it('withholds an answer whose event is not committed in time, and tells by another event', async () => {
    const { gate } = await tested.startStrict(IMPATIENT);
    const answer = tested.ask('GET', '/things/headed');
    await gate.begun;
    await tested.store.remove();
    gate.open();
    const { status, headers, body } = await answer;
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ code: 'AUDIT_UNAVAILABLE', carriedOut: true });
    for (const name of ['etag', 'set-cookie', 'x-app']) expect(headers).not.toHaveProperty(name);
    await tested.store.restore();
    const [event, amended] = await tested.events(2);
    expect(event).toMatchObject({ action: 'thing.headed', outcome: 'success' });
    expect(amended).toMatchObject({
      action: 'audit.amend',
      outcome: 'partial',
      details: { eventId: event!.id, statusCode: 503, withheld: true },
    });
  });

  it('breaks off a strict answer that had begun', async () => {
    const { gate, url } = await tested.startStrict(IMPATIENT);
    const socket = await dial(Number(new URL(url).port));
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.write('GET /raw/streamed HTTP/1.1\r\nHost: x\r\n\r\n');
    await gate.begun;
    await tested.store.remove();
    gate.open();
    await once(socket, 'close');
    expect(received).toContain('first ');
    expect(received).not.toContain('last');
  });

  it('lets nobody change a strict answer that waits, and leaves one that is none to its handler', async () => {
    await tested.startStrict();
    const stubborn = await tested.ask('GET', '/raw/stubborn');
    expect(stubborn).toMatchObject({ status: 201, body: 'first' });
    expect(stubborn.headers).not.toHaveProperty('x-late');
    expect(await tested.ask('GET', '/raw/object')).toMatchObject({ status: 500, body: 'caught' });
    expect(
      (await tested.events(2)).map(({ metadata, outcome }) => [metadata['statusCode'], outcome]),
    ).toEqual([
      [201, 'success'],
      [500, 'failure'],
    ]);
  });

  describe('where there is no room for more events', () => {
    const full = (overflow: 'drop' | 'reject' | 'wait') =>
      tested.startStrict({ mode: 'buffered', maxBuffered: 1, overflow, overflowTimeoutMs: 60_000 }, false);

    it('drops and counts', async () => {
      const { audit } = await full('drop');
      await audit!.record({ action: 'thing.fill' });
      expect((await tested.ask('POST', '/things/1')).status).toBe(200);
      expect(audit!.status()).toMatchObject({ pending: 1, dropped: 1 });
    });

    it('refuses before the handler', async () => {
      const { audit, handled } = await full('reject');
      await audit!.record({ action: 'thing.fill' });
      expect((await tested.ask('POST', '/things/1')).status).toBe(503);
      expect(handled).toEqual([]);
    });

    it('waits with the answer', async () => {
      const { audit, gate, url } = await full('wait');
      await audit!.record({ action: 'thing.fill' });
      const socket = await dial(Number(new URL(url).port));
      const answered = once(socket, 'data');
      socket.write('GET /things/1 HTTP/1.1\r\nHost: x\r\nx-wait: yes\r\nConnection: close\r\n\r\n');
      await gate.begun;
      gate.open();
      await vi.waitUntil(() => tested.running.handled.length === 1, WAIT);
      expect(socket.bytesRead).toBe(0);
      await tested.store.restore();
      expect(String(((await answered) as [Buffer])[0])).toContain('200 OK');
      expect((await tested.events(2)).map(({ action }) => action)).toEqual(['thing.fill', 'thing.read']);
    });
  });
});
