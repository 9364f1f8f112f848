// The API on Fastify. `config.audit` says what requests of a route mean; the audit sees what handlers return.
import { Readable } from 'node:stream';
import fastify from 'fastify';
import type { FastifyRequest } from 'fastify';
import { auditTrail } from 'nest-audit-trail/fastify';
import { auditOptions } from './audit-options.js';
import { InvoiceDto, JournalEntryDto, LoginDto, ResetDto, validated } from './bodies.js';
import { Books } from './books.js';
import type { Served } from './served.js';
import { Users } from './users.js';
import type { Role, Session } from './users.js';

export async function serve(): Promise<Served> {
  const app = fastify({ forceCloseConnections: true, requestIdHeader: 'x-request-id' });
  await app.register(auditTrail, auditOptions(console));
  const { service: audit } = app.audit;
  const [books, users] = [new Books(audit), new Users(audit)];
  app.decorateRequest('user', null);
  const as = (role?: Role) => async (request: FastifyRequest) => {
    // Who lacks the role is known all the same.
    Object.assign(request, { user: users.sessionOf(request.headers.authorization) });
    if (role) users.check(callerOf(request), role);
  };

  app.get('/health', { config: { audit: false } }, async () => ({ status: 'ok' }));
  const login = { action: 'session.login', resource: 'session', category: 'authentication' } as const;
  app.post('/login', { config: { audit: login } }, async ({ body }) =>
    users.login(validated(LoginDto, body)),
  );
  const reset = { action: 'password.reset', resource: 'password', severity: 'high', body: true } as const;
  app.post('/reset/:token', { config: { audit: reset } }, async (request, reply) => {
    const { token } = request.params as { token: string };
    users.reset(token, validated(ResetDto, request.body));
    await reply.status(204).send();
  });

  app.get('/invoices', { preHandler: as(), config: { audit: { query: ['status'] } } }, async (request) =>
    books.list(callerOf(request), (request.query as { status?: string }).status),
  );
  app.get(
    '/invoices/export',
    {
      preHandler: as(),
      config: { audit: { severity: 'medium', details: ({ result }) => ({ records: result?.length }) } },
    },
    async (request) => books.list(callerOf(request)),
  );
  app.get('/invoices/:id', { preHandler: as() }, async (request) =>
    books.read(callerOf(request), idOf(request)),
  );
  app.get('/invoices/:id/history', { preHandler: as() }, async (request) =>
    books.history(callerOf(request), idOf(request)),
  );
  app.post('/invoices', { preHandler: as('bookkeeper') }, async (request, reply) =>
    reply.status(201).send(books.create(callerOf(request), validated(InvoiceDto, request.body))),
  );
  app.post(
    '/invoices/:id/approve',
    {
      preHandler: as('approver'),
      config: {
        audit: {
          severity: 'high',
          details: ({ result }) => ({ cents: result?.cents, currency: result?.currency }),
        },
      },
    },
    async (request) => books.approve(callerOf(request), idOf(request)),
  );

  app.get('/journal-entries', { preHandler: as() }, async (request) => books.entriesOf(callerOf(request)));
  app.post('/journal-entries', { preHandler: as('bookkeeper') }, async (request, reply) =>
    reply.status(201).send(books.book(callerOf(request), validated(JournalEntryDto, request.body))),
  );
  const download = {
    action: 'journal-entry.export',
    severity: 'medium',
    details: { format: 'csv' },
  } as const;
  app.get(
    '/journal-entries/export.csv',
    { preHandler: as(), config: { audit: download } },
    (_request, reply) => reply.type('text/csv').send(Readable.from(books.rows())),
  );
  app.get('/reports/balance-sheet', { preHandler: as() }, async () => books.balanceSheet());

  app.get('/audit', { preHandler: as('auditor') }, async (request) => {
    const query = request.query as Record<string, string>;
    const { tenantId } = callerOf(request);
    return audit.find({ ...query, limit: Number(query['limit'] ?? 50), tenantId });
  });
  app.get('/audit/statistics', { preHandler: as('auditor') }, async (request) =>
    audit.statistics({ ...(request.query as object), tenantId: callerOf(request).tenantId }),
  );

  return {
    audit,
    users,
    listen: async (port, host) => Number(new URL(await app.listen({ port, host })).port),
    close: () => app.close(),
  };
}

const callerOf = (request: object) => (request as { readonly user: Session }).user;
const idOf = ({ params }: FastifyRequest) => (params as { id: string }).id;
