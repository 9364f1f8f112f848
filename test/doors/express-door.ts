import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ErrorRequestHandler, Express } from 'express';
import express from 'express';
import { auditTrail, audited } from 'nest-audit-trail/express';
import type { PlainAuditOptions } from 'nest-audit-trail/express';
import { allOf, BODY_LIMIT, brokenPages, fail, pages, userOf } from './door.js';
import type { Door } from './door.js';

// The package has no types of its own.
const express4 = createRequire(import.meta.url)('express4') as typeof express;

export const express5Door = doorOf('Express 5', express);
export const express4Door = doorOf('Express 4.21', express4);

function doorOf(name: string, library: typeof express): Door {
  return {
    name,
    async start(options) {
      const audit = options && auditTrail(options as PlainAuditOptions);
      await audit?.ready();
      const app = library();
      if (audit) app.use(audit);
      addRoutes(app, library, audit !== undefined);
      if (audit) app.use(audit.errors);
      // Express's own error page shows the calls that led to an error, the audit's among them.
      app.use(((error: { status?: number; message: string }, _request, response, next) => {
        if (response.headersSent) next(error);
        else response.status(error.status ?? 500).json({ message: error.message });
      }) satisfies ErrorRequestHandler);
      const server = createServer(app);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return {
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        events: () => allOf(audit!.service),
        async close() {
          server.closeAllConnections();
          await new Promise((resolve) => server.close(resolve));
          await audit?.close();
        },
      };
    },
  };
}

/** `audited()` is the guard too, so it stands behind what authenticates. */
function addRoutes(app: Express, library: typeof express, isAudited: boolean): void {
  const say: typeof audited = (said) => (isAudited ? audited(said) : (_request, _response, next) => next());
  app.use(library.json({ limit: BODY_LIMIT }));
  app.use((request, _response, next) => {
    Object.assign(request, { user: userOf(request.headers.authorization) });
    next();
  });
  const invoices = library.Router();
  invoices.get('/', (_request, response) => void response.json([{ id: '1' }]));
  invoices.post(
    '/',
    (_request, response) => void response.status(201).location('/invoices/99').json({ id: '99' }),
  );
  invoices.get('/:id', (request, response) => void response.json({ id: request.params.id }));
  invoices.put('/:id', (request, response) => void response.json({ id: request.params.id }));
  invoices.delete('/:id', (_request, response) => void response.status(204).end());
  invoices.post(
    '/:id/approve',
    say({ severity: 'high', details: { step: 'second' } }),
    (request, response) => {
      if (isAudited) request.audit.annotate({ details: { amount: 12 } });
      response.json({ approved: true });
    },
  );
  invoices.get('/:id/fail', fail);
  invoices.get('/:id/denied', (request, response) => {
    if (isAudited) request.audit.deny('not the approver');
    response.status(403).json({ message: 'denied' });
  });
  app.use('/invoices', say({ resource: 'invoice' }), invoices);
  app.get('/secrets', (request, response) => {
    if ((request as { user?: unknown }).user) response.json([]);
    else response.status(401).json({ message: 'who are you?' });
  });
  app.get('/reports', (_request, response) => void Readable.from(pages(3)).pipe(response));
  app.get('/reports/:id/broken', (_request, response) => {
    const source = Readable.from(brokenPages());
    source.on('error', () => response.destroy());
    source.pipe(response);
  });
  app.get('/reports/:id/slow', (_request, response) => void response.write('begun'));
  app.get('/redirects', (_request, response) => response.redirect('/reports'));
  app.get('/health', say(false), (_request, response) => void response.json({ up: true }));
}
