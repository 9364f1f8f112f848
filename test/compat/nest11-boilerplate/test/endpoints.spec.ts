// The audit over HTTP, behind the application's own guards, and in its Swagger document.
import { AuditService } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { DataSource } from 'typeorm';
import { AppAuditModule } from '../src/audit.module';
import { logIn, startApp } from './running-app';
import type { RunningApp } from './running-app';

describe('the endpoints of the audit', () => {
  let running: RunningApp;
  let admin: string;
  let clerk: string;

  beforeAll(async () => {
    jest.spyOn(console, 'log').mockImplementation(() => undefined);
    running = await startApp([AppAuditModule]);
    const { app, send } = running;
    clerk = await logIn(send, 'clerk@example.com');
    await send('POST', '/api/v1/auth/email/register', {
      body: { email: 'admin@example.com', password: 'the first one' },
    });
    await app.get(DataSource).query(`UPDATE "user" SET role = 'admin' WHERE email = 'admin@example.com'`);
    admin = await logIn(send, 'admin@example.com');
  });

  afterAll(() => running?.app.close());

  const get = async (path: string, token?: string) => {
    await running.app.get(AuditService).flush();
    return running.send('GET', path, { ...(token && { token }) });
  };
  const eventsOf = ({ body }: { body: unknown }) => (body as { events: AuditLogEvent[] }).events;

  it('show an administrator what happened, to whom, and the proof', async () => {
    const logins = eventsOf(await get('/api/v1/audit?action=authn_login_success&order=oldest', admin));
    expect(logins.map(({ details }) => details['account'])).toEqual([
      'clerk@example.com',
      'admin@example.com',
    ]);
    const [first] = logins;
    expect((await get(`/api/v1/audit/${first!.id}`, admin)).body).toEqual(first);
    expect((await get(`/api/v1/audit/${first!.id}/proof`, admin)).body).toMatchObject({
      event: { id: first!.id },
    });
    const history = eventsOf(await get('/api/v1/audit/history/user/1', admin));
    expect(history.map(({ action }) => action)).toEqual(['authn_login_success', 'user.register']);
    expect((await get('/api/v1/audit/statistics', admin)).body).toMatchObject({ total: expect.any(Number) });
  });

  it('refuse anybody else, and leave an event that says why', async () => {
    expect((await get('/api/v1/audit')).status).toBe(401);
    expect((await get('/api/v1/audit', clerk)).status).toBe(403);
    const [denied] = eventsOf(await get('/api/v1/audit?category=authorization', admin));
    expect(denied).toMatchObject({
      userId: '1',
      outcome: 'failure',
      details: { reason: 'not an administrator' },
    });
  });

  it("are in the application's Swagger document", async () => {
    const { paths, components } = (await get('/docs-json')).body as {
      paths: Record<string, { get: { parameters: { name: string }[]; security: object[] } }>;
      components: { schemas: Record<string, object> };
    };
    expect(Object.keys(paths).filter((path) => path.includes('/audit'))).toEqual([
      '/api/v1/audit',
      '/api/v1/audit/statistics',
      '/api/v1/audit/history/{resource}/{resourceId}',
      '/api/v1/audit/{id}',
      '/api/v1/audit/{id}/proof',
    ]);
    const { parameters, security } = paths['/api/v1/audit']!.get;
    expect(parameters.map(({ name }) => name)).toEqual(expect.arrayContaining(['userId', 'from', 'cursor']));
    expect(security).toEqual([{ bearer: [] }]);
    expect(components.schemas).toMatchObject({ AuditPageDto: {}, AuditEventDto: {} });
  });
});
