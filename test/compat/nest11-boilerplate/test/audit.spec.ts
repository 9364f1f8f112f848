// What the audit says of the same requests: who, which thing, with what outcome, in which log.
import { AuditService } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { actions } from '../src/audit-actions';
import { AppAuditModule } from '../src/audit.module';
import { journey, WRONG_PASSWORDS } from './journey';
import type { Answer, RunningApp } from './running-app';
import { startApp } from './running-app';

describe('the audit of the application', () => {
  const printed: string[] = [];
  let running: RunningApp;
  let answers: Answer[];
  let events: AuditLogEvent[];

  beforeAll(async () => {
    jest.spyOn(console, 'log').mockImplementation((...line: unknown[]) => void printed.push(line.join(' ')));
    running = await startApp([AppAuditModule]);
    answers = await journey(running);
    const audit = running.app.get(AuditService);
    await audit.flush();
    ({ events } = await audit.find({ allTenants: true, limit: 100 }));
  });

  afterAll(() => running?.app.close());

  /** The event of a request, as `METHOD /path`; of several, the first. */
  const of = (method: string, path: string) =>
    [...events].reverse().find(({ metadata }) => metadata['method'] === method && metadata['path'] === path);

  it('has one event for each request', () => {
    expect(events.filter(({ metadata }) => metadata['method'] !== undefined)).toHaveLength(answers.length);
  });

  it('names the user and the session that passport has found', () => {
    expect(of('GET', '/api/v1/auth/me')).toMatchObject({ outcome: 'failure', category: 'authentication' });
    expect(of('PATCH', '/api/v1/auth/me')).toMatchObject({
      userId: '1',
      sessionId: '1',
      metadata: { roles: ['user'] },
    });
  });

  it('says of a change of the own account which user was changed', () => {
    expect(of('PATCH', '/api/v1/auth/me')).toMatchObject({ resource: 'user', resourceId: '1' });
    expect(of('DELETE', '/api/v1/auth/me')).toMatchObject({ resource: 'user', resourceId: '1' });
  });

  it("speaks the application's own words", async () => {
    const registered = events.filter(({ action }) => action === actions.userRegister.action);
    expect(registered).toMatchObject([
      { outcome: 'success', resource: 'user', resourceId: '1' },
      { outcome: 'failure', resource: 'user' },
    ]);
    const history = await running.app
      .get(AuditService)
      .history({ tenantId: 'default', resource: 'user', resourceId: '1' });
    expect(history.events.map(({ action }) => action)).toEqual([
      'user.delete',
      'user.update',
      'authn_login_success',
      'user.register',
    ]);
  });

  it('knows what was uploaded, and what was refused', () => {
    expect(of('POST', '/api/v1/files/upload')).toMatchObject({ resource: 'file', outcome: 'success' });
    const refused = events.filter(({ metadata }) => [400, 413, 404].includes(Number(metadata['statusCode'])));
    expect(refused.map(({ outcome }) => outcome)).toEqual(['failure', 'failure', 'failure']);
  });

  it('counts wrong passwords, which are answered by 422, and finds who tries many', async () => {
    const wrong = events.filter(({ metadata }) => metadata['path'] === '/api/v1/auth/email/login');
    const refused = wrong.filter(({ metadata }) => metadata['statusCode'] === 422);
    expect(refused).toHaveLength(WRONG_PASSWORDS);
    for (const event of refused)
      expect(event).toMatchObject({
        action: 'authn_login_fail',
        category: 'authentication',
        details: { account: 'ann@example.com' },
      });
    expect(wrong.find(({ metadata }) => metadata['statusCode'] === 200)).toMatchObject({
      action: 'authn_login_success',
      userId: '1',
    });
    const audit = running.app.get(AuditService);
    // What several processes may have seen is looked up in the background.
    for (let found = 0; found === 0; await delay(100))
      found = (await audit.find({ allTenants: true, action: 'detection.brute-force' })).events.length;
  });

  it("prints no statement of its own into the application's log of statements", () => {
    expect(printed).toContainEqual(expect.stringContaining('"session"'));
    expect(printed.filter((line) => line.includes('audit_'))).toEqual([]);
  });

  it('says that no signing key is set, and warns of nothing else', () => {
    expect(running.logged).toContainEqual(expect.stringContaining('No signing key is set'));
    expect(running.warned).toEqual([]);
  });

  it('needs ten lines in the application at most', () => {
    const files = readdirSync(join(__dirname, '../src'), { recursive: true }) as string[];
    const lines = files
      .filter((file) => file.endsWith('.ts') && !/audit(\.module|\.controller|-actions)\.ts$/.test(file))
      .flatMap((file) => readFileSync(join(__dirname, '../src', file), 'utf8').split('\n'));
    const said = lines.filter((line) => /audit/i.test(line) && !line.startsWith('import '));
    expect(said.length).toBeGreaterThan(0);
    expect(said.length).toBeLessThanOrEqual(10);
  });
});
