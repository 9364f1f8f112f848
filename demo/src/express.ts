// The API on Express. `audited()` says what requests mean, and stands after what authenticates.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import express from 'express';
import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { auditTrail, audited } from 'nest-audit-trail/express';
import { auditOptions } from './audit-options.js';
import { InvoiceDto, JournalEntryDto, LoginDto, ResetDto, validated } from './bodies.js';
import { Books } from './books.js';
import type { Served } from './served.js';
import { Users } from './users.js';
import type { Role, Session } from './users.js';

export async function serve(): Promise<Served> {
  const audit = auditTrail(auditOptions(console));
  await audit.ready();
  const [books, users] = [new Books(audit.service), new Users(audit.service)];
  const as =
    (role?: Role): RequestHandler =>
    (request, _response, next) => {
      // Who lacks the role is known all the same.
      Object.assign(request, { user: users.sessionOf(request.headers.authorization) });
      if (role) users.check(callerOf(request), role);
      next();
    };

  const app = express();
  app.use(audit);
  app.use(express.json());
  app.get('/health', audited(false), (_request, response) => void response.json({ status: 'ok' }));
  app.post(
    '/login',
    audited({ action: 'session.login', resource: 'session', category: 'authentication' }),
    (request, response) => {
      response.json(users.login(validated(LoginDto, request.body)));
    },
  );
  const reset = audited({ action: 'password.reset', resource: 'password', severity: 'high', body: true });
  app.post('/reset/:token', reset, (request, response) => {
    users.reset(String(request.params['token']), validated(ResetDto, request.body));
    response.status(204).end();
  });

  app.get('/invoices', as(), audited({ query: ['status'] }), (request, response) => {
    response.json(books.list(callerOf(request), request.query['status'] as string | undefined));
  });
  app.get('/invoices/export', as(), audited({ severity: 'medium' }), (request, response) => {
    const invoices = books.list(callerOf(request));
    request.audit.annotate({ details: { records: invoices.length } });
    response.json(invoices);
  });
  app.get('/invoices/:id', as(), (request, response) => {
    response.json(books.read(callerOf(request), idOf(request)));
  });
  app.get('/invoices/:id/history', as(), async (request, response) => {
    response.json(await books.history(callerOf(request), idOf(request)));
  });
  app.post('/invoices', as('bookkeeper'), audited(), (request, response) => {
    const invoice = books.create(callerOf(request), validated(InvoiceDto, request.body));
    request.audit.annotate({ resourceId: invoice.id });
    response.status(201).json(invoice);
  });
  app.post('/invoices/:id/approve', as('approver'), audited({ severity: 'high' }), (request, response) => {
    const { cents, currency, ...rest } = books.approve(callerOf(request), idOf(request));
    request.audit.annotate({ details: { cents, currency } });
    response.json({ cents, currency, ...rest });
  });

  app.get('/journal-entries', as(), (request, response) => {
    response.json(books.entriesOf(callerOf(request)));
  });
  app.post('/journal-entries', as('bookkeeper'), audited(), (request, response) => {
    const entry = books.book(callerOf(request), validated(JournalEntryDto, request.body));
    request.audit.annotate({ resourceId: entry.id });
    response.status(201).json(entry);
  });
  const download = audited({
    action: 'journal-entry.export',
    severity: 'medium',
    details: { format: 'csv' },
  });
  app.get('/journal-entries/export.csv', as(), download, (_request, response) => {
    pipeline(Readable.from(books.rows()), response.type('text/csv'), () => undefined);
  });
  app.get('/reports/balance-sheet', as(), (_request, response) => void response.json(books.balanceSheet()));

  app.get('/audit', as('auditor'), async ({ query, ...request }, response) => {
    const { tenantId } = callerOf(request as Request);
    response.json(await audit.service.find({ ...query, limit: Number(query['limit'] ?? 50), tenantId }));
  });
  app.get('/audit/statistics', as('auditor'), async (request, response) => {
    const { tenantId } = callerOf(request);
    response.json(await audit.service.statistics({ ...request.query, tenantId }));
  });
  app.use(audit.errors, answerError);

  const server = createServer(app);
  return {
    audit: audit.service,
    users,
    async listen(port, host) {
      server.listen(port, host);
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await audit.close();
    },
  };
}

const idOf = ({ params }: Pick<Request, 'params'>) => String(params['id']);
const callerOf = (request: object) => (request as { readonly user: Session }).user;

const answerError: ErrorRequestHandler = (
  error: { statusCode?: number; message: string },
  _request,
  response,
  next,
) => {
  if (response.headersSent) return next(error);
  const { statusCode = 500, message } = error;
  response
    .status(statusCode)
    .json({ statusCode, message: statusCode < 500 ? message : 'Internal server error' });
};
