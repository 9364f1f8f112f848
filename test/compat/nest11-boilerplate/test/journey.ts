// What a user of the application does, from registration to the end of the account.
import type { Answer, RunningApp } from './running-app';

const ACCOUNT = { email: 'ann@example.com', password: 'the first one', firstName: 'Ann' };
export const WRONG_PASSWORDS = 14;

/** @returns the answers, in order, with a word in the place of the token */
export async function journey({ send }: RunningApp): Promise<Answer[]> {
  const answers: Answer[] = [];
  const keep = async (sent: Promise<Answer>) => void answers.push(await sent);
  const file = (size: number) => {
    const form = new FormData();
    form.append('file', new Blob(['x'.repeat(size)], { type: 'text/plain' }), 'a.txt');
    return form;
  };
  const login = '/api/v1/auth/email/login';
  await keep(send('GET', '/'));
  await keep(send('POST', '/api/v1/auth/email/register', { body: { email: 'no address', password: '1' } }));
  await keep(send('POST', '/api/v1/auth/email/register', { body: ACCOUNT }));
  for (let attempt = 0; attempt < WRONG_PASSWORDS; attempt += 1)
    await keep(send('POST', login, { language: 'de', body: { ...ACCOUNT, password: `guess ${attempt}` } }));
  const { body, ...rest } = await send('POST', login, { body: ACCOUNT });
  const { token, user } = body as { token: string; user: object };
  answers.push({ ...rest, body: { token: '<token>', user } });
  await keep(send('GET', '/api/v1/auth/me'));
  await keep(send('GET', '/api/v1/auth/me', { token }));
  await keep(send('PATCH', '/api/v1/auth/me', { token, body: { password: 'the second one' } }));
  await keep(send('POST', '/api/v1/files/upload', { token, body: file(100) }));
  await keep(send('POST', '/api/v1/files/upload', { token, body: file(10_000) }));
  await keep(send('POST', login, { body: '{ "email": ' }));
  await keep(send('GET', '/api/v1/nowhere'));
  await keep(send('POST', '/api/v1/auth/logout', { token }));
  await keep(send('DELETE', '/api/v1/auth/me', { token }));
  return answers;
}
