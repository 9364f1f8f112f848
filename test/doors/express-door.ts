import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ErrorRequestHandler, Express, Request, RequestHandler } from 'express';
import express from 'express';
import { auditTrail, audited } from 'nest-audit-trail/express';
import type { AuditRouteOptions, AuditTrail, PlainAuditOptions } from 'nest-audit-trail/express';
import * as app from './door.js';
import type { Door, User } from './door.js';

// The package has no types of its own.
const express4 = createRequire(import.meta.url)('express4') as typeof express;

export const express5Door = doorOf('Express 5', express);
export const express4Door = doorOf('Express 4.21', express4);

function doorOf(name: string, library: typeof express): Door {
  return {
    name,
    async start(options) {
      const shared = new app.Shared();
      const audit = options && auditTrail(options as PlainAuditOptions);
      await audit?.ready();
      const application = library();
      if (audit) application.use(audit);
      addRoutes(application, library, shared, audit, app.strictOf(options));
      if (audit) application.use(audit.errors);
      application.use(ANSWER_ERRORS);
      const server = createServer(application);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return Object.assign(shared, {
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        audit: audit?.service,
        events: () => app.allOf(audit!.service),
        async close() {
          server.closeAllConnections();
          await new Promise((resolve) => server.close(resolve));
          await audit?.close();
        },
      });
    },
  };
}

/** Express's own error page shows the calls that led to an error, the audit's among them. */
const ANSWER_ERRORS: ErrorRequestHandler = (
  error: { status?: number; message?: string },
  _request,
  response,
  next,
) => {
  if (response.headersSent) next(error);
  else response.status(error.status ?? 500).json({ message: error.message });
};

const userOf = (request: Request) => (request as { user?: User }).user;

/** `audited()` is the guard too, so it stands behind what authenticates. */
function addRoutes(
  application: Express,
  library: typeof express,
  shared: app.Shared,
  audit: AuditTrail | undefined,
  strict: AuditRouteOptions,
): void {
  const say: typeof audited = (said) => (audit ? audited(said) : (_request, _response, next) => next());
  const need =
    (role?: string): RequestHandler =>
    (request, _response, next) => {
      app.need(userOf(request), role);
      next();
    };
  application.use(library.json({ limit: app.BODY_LIMIT }));
  application.use((request, _response, next) => {
    Object.assign(request, { user: app.userOf(request.headers.authorization) });
    if (request.headers['x-wait']) void shared.gate.pass().then(() => next());
    else next();
  });

  const invoices = library.Router();
  invoices.get('/', (_request, response) => void response.json([{ id: '1' }]));
  invoices.post(
    '/',
    (_request, response) => void response.status(201).location('/invoices/99').json({ id: '99' }),
  );
  invoices.get('/:id', (request, response) => void response.json({ id: request.params.id }));
  invoices.put('/:id', (request, response) => {
    if (audit) request.audit.annotate(app.CHANGE);
    response.json({ id: request.params.id });
  });
  invoices.delete('/:id', (_request, response) => void response.status(204).end());
  invoices.post(
    '/:id/approve',
    say({ severity: 'high', details: { step: 'second', password: 'planted' } }),
    (_request, response) => {
      audit?.service.annotate({ details: { amount: 12 } });
      response.json({ approved: true });
    },
  );
  invoices.post(
    '/:id/pay',
    say({ details: ({ result }) => ({ amount: result?.amount }) }),
    need('approver'),
    (_request, response) => void response.json({ amount: 99 }),
  );
  invoices.get('/:id/denied', (request, response) => {
    if (audit) request.audit.deny('not the approver');
    response.status(403).json({ message: 'denied' });
  });
  invoices.get('/:id/hidden', (request, response) => {
    if (audit) request.audit.deny('of another department');
    response.json({});
  });
  application.use('/invoices', say({ resource: 'invoice' }), invoices);

  application.get('/secrets', need(), (_request, response) => void response.json([]));
  application.post('/batches', (_request, response) => void response.status(207).json({ failed: 1 }));
  application.get('/numbers/:number', (request, response) => {
    if (!/^\d+$/.test(request.params.number)) throw new app.Refusal(400, 'not a number');
    response.json({});
  });
  application.post('/sessions', (_request, response) => {
    audit?.service.annotate(app.LOGIN);
    response.json({});
  });
  application.post('/sessions/end', say(), (request, response) => {
    Object.assign(request, { user: undefined });
    response.json({});
  });
  application.post('/resets/:token', (_request, response) => void response.json({}));
  application.get('/annotations/hostile', (_request, response) => {
    audit?.service.annotate(app.HOSTILE);
    response.json({});
  });
  application.get(
    '/annotations/failing',
    say({
      details: () => {
        throw new Error('details');
      },
      outcome: () => 'ok' as 'success',
    }),
    (_request, response) => void response.json({}),
  );

  application.get('/faults/circular', (_request, response) => void response.json(app.circular()));
  application.get(
    '/faults/between',
    (_request, _response, next) => next(new TypeError('failed on the way')),
    (_request, response) => void response.json({}),
  );
  const answeredHere: ErrorRequestHandler = (error, request, response, next) => {
    if (!(error instanceof RangeError)) next(error);
    else response.status(request.method === 'POST' ? 202 : 418).json({ teapot: true });
  };
  const failing: RequestHandler = () => {
    throw new RangeError('out of range');
  };
  application.get('/faults/teapot', failing);
  application.post('/faults/accepted', failing);
  application.get('/faults/:id', (request) => {
    throw app.FAULTS[request.params.id]!();
  });
  if (audit) application.use('/faults', audit.errors);
  application.use('/faults', answeredHere);

  application.get('/reports', (_request, response) => void Readable.from(app.pages(3)).pipe(response));
  application.get('/reports/:id/broken', (_request, response) => {
    const source = Readable.from(app.brokenPages());
    source.on('error', () => response.destroy());
    source.pipe(response);
  });
  application.get('/redirects', (_request, response) => response.redirect('/reports'));
  application.get('/health', say(false), (_request, response) => void response.json({ up: true }));
  application.get(
    '/raw/:id',
    say(),
    (request, response) => void app.RAW[request.params.id]!(response, shared),
  );

  const things = library.Router();
  things.get('/headed', say(), async (_request, response) => {
    await shared.gate.pass();
    response.set({ etag: '"e"', 'set-cookie': 'session=1', 'x-app': 'yes' }).json({});
  });
  const handle: RequestHandler<{ id: string }> = (request, response) => {
    shared.handled.push(request.params.id);
    response.json({ id: request.params.id });
  };
  things.get('/:id', say(), handle);
  things.post('/:id', say(), handle);
  things.post('/strict/:id', say(strict), handle);
  things.post('/silent/:id', say(false), handle);
  application.use('/things', things);

  const second = library();
  second.get('/payments/:id', (request, response) => void response.json({ id: request.params.id }));
  application.use('/api/v2', second);
}
