// A test of the application itself, with the test kit: what is recorded of an account. Another worker runs files.spec.ts meanwhile.
import { existsSync } from 'node:fs';
import { actions } from '../src/audit-actions';
import { logIn, NO_FOLDER, startTested } from './running-app';

describe('an account', () => {
  let running: Awaited<ReturnType<typeof startTested>>;

  beforeAll(async () => {
    jest.spyOn(console, 'log').mockImplementation(() => undefined);
    running = await startTested();
  });

  afterAll(() => running?.app.close());
  beforeEach(() => running.audit.clear());

  it('leaves an event of its registration, its login and its end', async () => {
    const { audit, send } = running;
    const token = await logIn(send, 'ann@example.com');
    await send('DELETE', '/api/v1/auth/me', { token });
    expect(audit).toHaveRecorded({
      action: actions.userRegister.action,
      resourceId: '1',
      severity: 'medium',
    });
    expect(audit).toHaveRecorded({
      action: 'authn_login_success',
      userId: '1',
      details: { account: 'ann@example.com' },
    });
    expect(audit).toHaveRecorded({ action: actions.userDelete.action, userId: '1', outcome: 'success' });
    expect(audit.events()).toHaveLength(3);
  });

  it('leaves an event of a password that is wrong', async () => {
    const { audit, send } = running;
    const body = { email: 'nobody@example.com', password: 'a guess' };
    expect((await send('POST', '/api/v1/auth/email/login', { body })).status).toBe(422);
    expect(audit).toHaveRecorded({ action: 'authn_login_fail', details: { account: body.email } });
    expect(audit).not.toHaveRecorded({ outcome: 'success' });
  });

  it('makes no folder', () => {
    expect(existsSync(NO_FOLDER)).toBe(false);
  });
});
