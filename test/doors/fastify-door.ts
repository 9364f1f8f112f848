import { Readable } from 'node:stream';
import fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { auditTrail } from 'nest-audit-trail/fastify';
import type { PlainAuditOptions, RouteDeclaration } from 'nest-audit-trail/fastify';
import * as app from './door.js';
import type { Door, User } from './door.js';

export const fastifyDoor: Door = {
  name: 'Fastify 5',
  async start(options) {
    const shared = new app.Shared();
    const application = fastify({ bodyLimit: app.BODY_LIMIT, forceCloseConnections: true });
    if (options) await application.register(auditTrail, options as PlainAuditOptions);
    addRoutes(application, shared, options);
    const url = await application.listen({ host: '127.0.0.1', port: 0 });
    return Object.assign(shared, {
      url,
      audit: options && application.audit.service,
      events: () => app.allOf(application.audit.service),
      close: () => application.close(),
    });
  },
};

const userOf = (request: FastifyRequest) => (request as { user?: User }).user;

function addRoutes(
  application: FastifyInstance,
  shared: app.Shared,
  options: AuditModuleOptions | undefined,
): void {
  const isAudited = options !== undefined;
  type ById = { Params: { id: string } };
  const say = (audit: RouteDeclaration) => ({ config: { audit } });
  const need = (role?: string) => ({
    preValidation: async (request: FastifyRequest) => app.need(userOf(request), role),
  });
  const service = isAudited ? application.audit.service : undefined;
  application.decorateRequest('user', null);
  application.addHook('onRequest', async (request) => {
    Object.assign(request, { user: app.userOf(request.headers.authorization) });
    if (request.headers['x-wait']) await shared.gate.pass();
  });

  application.get('/invoices', async () => [{ id: '1' }]);
  application.post('/invoices', async (_request, reply) => {
    await reply.status(201).header('location', '/invoices/99').send({ id: '99' });
  });
  application.get<ById>('/invoices/:id', async ({ params }) => ({ id: params.id }));
  application.put<ById>('/invoices/:id', async (request) => {
    if (isAudited) request.audit.annotate(app.CHANGE);
    return { id: request.params.id };
  });
  application.delete('/invoices/:id', async (_request, reply) => {
    await reply.status(204).send();
  });
  application.post(
    '/invoices/:id/approve',
    say({ severity: 'high', details: { step: 'second', password: 'planted' } }),
    async () => {
      service?.annotate({ details: { amount: 12 } });
      return { approved: true };
    },
  );
  application.post(
    '/invoices/:id/pay',
    { ...say({ details: ({ result }) => ({ amount: result.amount }) }), ...need('approver') },
    async () => ({ amount: 99 }),
  );
  application.get('/invoices/:id/denied', async (request, reply) => {
    if (isAudited) request.audit.deny('not the approver');
    await reply.status(403).send({ message: 'denied' });
  });
  application.get('/invoices/:id/hidden', async (request) => {
    if (isAudited) request.audit.deny('of another department');
    return {};
  });

  application.get('/secrets', need(), async () => []);
  application.post('/batches', async (_request, reply) => reply.status(207).send({ failed: 1 }));
  const numbers = { params: { type: 'object', properties: { number: { type: 'integer' } } } };
  application.get('/numbers/:number', { schema: numbers }, async () => ({}));
  application.post('/sessions', async () => {
    service?.annotate(app.LOGIN);
    return {};
  });
  application.post('/sessions/end', async (request) => {
    Object.assign(request, { user: undefined });
    return {};
  });
  application.post('/resets/:token', async () => ({}));
  application.get('/annotations/hostile', async () => {
    service?.annotate(app.HOSTILE);
    return {};
  });
  const details = () => {
    throw new Error('details');
  };
  application.get(
    '/annotations/failing',
    say({ details, outcome: () => 'ok' as 'success' }),
    async () => ({}),
  );

  application.get('/faults/circular', async () => app.circular());
  const preHandler = async () => {
    throw new TypeError('failed on the way');
  };
  application.get('/faults/between', { preHandler }, async () => ({}));
  const errorHandler = async (error: unknown, { method }: FastifyRequest, reply: FastifyReply) => {
    if (!(error instanceof RangeError)) throw error;
    await reply.status(method === 'POST' ? 202 : 418).send({ teapot: true });
  };
  const failing = async () => {
    throw new RangeError('out of range');
  };
  application.get('/faults/teapot', { errorHandler }, failing);
  application.post('/faults/accepted', { errorHandler }, failing);
  application.get<ById>('/faults/:id', async ({ params }) => {
    throw app.FAULTS[params.id]!();
  });

  application.get('/reports', (_request, reply) => reply.send(Readable.from(app.pages(3))));
  application.get('/reports/:id/broken', (_request, reply) => reply.send(Readable.from(app.brokenPages())));
  application.get('/redirects', (_request, reply) => reply.redirect('/reports'));
  application.get('/health', say(false), async () => ({ up: true }));
  application.get<ById>('/raw/:id', ({ params }, reply) => {
    reply.hijack();
    void app.RAW[params.id]!(reply.raw, shared);
  });

  application.get('/things/headed', async (_request, reply) => {
    await shared.gate.pass();
    return reply.headers({ etag: '"e"', 'set-cookie': 'session=1', 'x-app': 'yes' }).send({});
  });
  const handle = async (request: FastifyRequest) => {
    const { id } = request.params as ById['Params'];
    shared.handled.push(id);
    return { id };
  };
  application.get('/things/:id', handle);
  application.post('/things/:id', handle);
  application.post('/things/strict/:id', say(app.strictOf(options)), handle);
  application.post('/things/silent/:id', say(false), handle);

  application.register(
    async (second) => {
      second.get<ById>('/payments/:id', async ({ params }) => ({ id: params.id }));
    },
    { prefix: '/api/v2' },
  );
}
