import { Readable } from 'node:stream';
import fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { auditTrail } from 'nest-audit-trail/fastify';
import type { PlainAuditOptions } from 'nest-audit-trail/fastify';
import { allOf, BODY_LIMIT, brokenPages, fail, pages, userOf } from './door.js';
import type { Door } from './door.js';

export const fastifyDoor: Door = {
  name: 'Fastify 5',
  async start(options) {
    const app = fastify({ bodyLimit: BODY_LIMIT, forceCloseConnections: true });
    if (options) await app.register(auditTrail, options as PlainAuditOptions);
    addRoutes(app, options !== undefined);
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    return {
      url,
      events: () => allOf(app.audit.service),
      close: () => app.close(),
    };
  },
};

function addRoutes(app: FastifyInstance, isAudited: boolean): void {
  app.decorateRequest('user', null);
  app.addHook('preValidation', async (request) => {
    Object.assign(request, { user: userOf(request.headers.authorization) });
  });
  type ById = { Params: { id: string } };
  app.get('/invoices', async () => [{ id: '1' }]);
  app.post('/invoices', async (_request, reply) => {
    await reply.status(201).header('location', '/invoices/99').send({ id: '99' });
  });
  app.get<ById>('/invoices/:id', async ({ params }) => ({ id: params.id }));
  app.put<ById>('/invoices/:id', async ({ params }) => ({ id: params.id }));
  app.delete('/invoices/:id', async (_request, reply) => {
    await reply.status(204).send();
  });
  app.post(
    '/invoices/:id/approve',
    { config: { audit: { severity: 'high', details: { step: 'second' } } } },
    async (request) => {
      if (isAudited) request.audit.annotate({ details: { amount: 12 } });
      return { approved: true };
    },
  );
  app.get('/invoices/:id/fail', async () => fail());
  app.get('/invoices/:id/denied', async (request, reply) => {
    if (isAudited) request.audit.deny('not the approver');
    await reply.status(403).send({ message: 'denied' });
  });
  app.get('/secrets', async (request, reply) => {
    if ((request as { user?: unknown }).user) return [];
    return reply.status(401).send({ message: 'who are you?' });
  });
  app.get('/reports', (_request, reply) => reply.send(Readable.from(pages(3))));
  app.get('/reports/:id/broken', (_request, reply) => reply.send(Readable.from(brokenPages())));
  app.get('/reports/:id/slow', (_request, reply) => {
    reply.hijack();
    reply.raw.write('begun');
  });
  app.get('/redirects', (_request, reply) => reply.redirect('/reports'));
  app.get('/health', { config: { audit: false } }, async () => ({ up: true }));
}
