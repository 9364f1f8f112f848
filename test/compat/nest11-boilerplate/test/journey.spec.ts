// The application's own suite: what its users get, with and without the audit.
import { AppAuditModule } from '../src/audit.module';
import { journey, WRONG_PASSWORDS } from './journey';
import { startApp } from './running-app';
import type { RunningApp } from './running-app';

/** Of both applications. */
const answered: unknown[] = [];

describe.each([
  ['without the audit', []],
  ['with the audit', [AppAuditModule]],
])('the application %s', (_name, audit) => {
  let running: RunningApp;

  beforeAll(async () => {
    jest.spyOn(console, 'log').mockImplementation(() => undefined);
    running = await startApp(audit);
  });

  afterAll(() => running?.app.close());

  it('answers a user from registration to the end of the account', async () => {
    const ann = { id: 1, email: 'ann@example.com', firstName: 'Ann', role: 'user' };
    const wrong = { status: 422, body: { status: 422, errors: { password: 'Das Passwort stimmt nicht' } } };
    const answers = await journey(running);
    // A file gets another name each time.
    answered.push(JSON.parse(JSON.stringify(answers).replace(/files\/\w{12}/g, 'files/name')));
    expect(answers).toMatchObject([
      { status: 200, body: { name: 'boilerplate' } },
      { status: 422, body: { errors: { email: 'email must be an email' } } },
      { status: 201, body: ann },
      ...Array.from({ length: WRONG_PASSWORDS }, () => wrong),
      { status: 200, body: { token: '<token>', user: ann } },
      { status: 401, body: { message: 'Unauthorized' } },
      { status: 200, body: ann },
      { status: 200, body: ann },
      { status: 201, body: { file: { path: expect.stringMatching(/^\/api\/v1\/files\/\w{12}$/) } } },
      { status: 413, body: { message: 'File too large' } },
      { status: 400 },
      { status: 404, body: { message: 'Cannot GET /api/v1/nowhere' } },
      { status: 204, body: '' },
      { status: 204, body: '' },
    ]);
  });
});

it('the application answers with the audit as without', () => {
  expect(answered).toHaveLength(2);
  expect(answered[1]).toEqual(answered[0]);
});
