// A test of the application itself, with the test kit: what is recorded of files. Another worker runs account.spec.ts meanwhile.
import { existsSync } from 'node:fs';
import { logIn, NO_FOLDER, startTested } from './running-app';

describe('a file', () => {
  let running: Awaited<ReturnType<typeof startTested>>;

  beforeAll(async () => {
    jest.spyOn(console, 'log').mockImplementation(() => undefined);
    running = await startTested();
  });

  afterAll(() => running?.app.close());

  it('leaves an event whether it is taken or refused', async () => {
    const { audit, send } = running;
    const token = await logIn(send, 'bob@example.com');
    audit.clear();
    for (const size of [100, 10_000]) {
      const body = new FormData();
      body.append('file', new Blob(['x'.repeat(size)], { type: 'text/plain' }), 'a.txt');
      await send('POST', '/api/v1/files/upload', { token, body });
    }
    expect(audit).toHaveRecorded({ resource: 'file', userId: '1', metadata: { statusCode: 201 } });
    expect(audit).toHaveRecorded({ outcome: 'failure', metadata: { statusCode: 413 } });
    expect(audit.events()).toHaveLength(2);
  });

  it('makes no folder', () => {
    expect(existsSync(NO_FOLDER)).toBe(false);
  });
});
