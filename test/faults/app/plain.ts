// The application of main.ts by the doors beside Nest: the same routes and the same handlers.
import express from 'express';
import fastify from 'fastify';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import type { AuditService } from 'nest-audit-trail';
import { audited, auditTrail } from 'nest-audit-trail/express';
import type { PlainAuditOptions } from 'nest-audit-trail/express';
import { auditTrail as fastifyAudit } from 'nest-audit-trail/fastify';
import { ControlController } from './control.controller.js';
import { HandlerRuns } from './handler-runs.js';
import { ThingsController } from './things.controller.js';

const { audit, port, runs, door } = JSON.parse(process.argv[2] ?? '{}') as {
  audit: PlainAuditOptions;
  port: number;
  runs: string;
  door: 'express5' | 'express4' | 'fastify';
};

interface Route {
  readonly method: 'get' | 'post';
  readonly path: string;
  /** Answers the body. */
  readonly handle: (id: string) => unknown;
  readonly isAudited: boolean;
}

function routesOf(service: AuditService): Route[] {
  const handled = new HandlerRuns(runs);
  const things = new ThingsController(handled);
  const control = new ControlController(service, handled);
  const thing = (method: Route['method'], suffix: string, handle: Route['handle']): Route => ({
    method,
    path: `/things/:id${suffix}`,
    handle,
    isAudited: true,
  });
  const asked = (method: Route['method'], name: 'status' | 'sources' | 'verify' | 'flush'): Route => ({
    method,
    path: `/control/${name}`,
    handle: () => control[name](),
    isAudited: false,
  });
  return [
    thing('get', '', (id) => things.read(id)),
    thing('post', '', (id) => things.create(id)),
    thing('post', '/slow', (id) => things.createSlowly(id)),
    thing('post', '/hanging', (id) => things.hang(id)),
    thing('get', '/streamed', (id) => things.streamed(id).getStream()),
    asked('get', 'status'),
    asked('get', 'sources'),
    asked('get', 'verify'),
    asked('post', 'flush'),
  ];
}

const statusOf = ({ method }: Route) => (method === 'post' ? 201 : 200);

async function startExpress(library: typeof express) {
  const trail = auditTrail(audit);
  await trail.ready();
  const app = library();
  app.use(trail);
  for (const route of routesOf(trail.service)) {
    app[route.method](route.path, audited(route.isAudited ? {} : false), (request, response, next) => {
      const answer = (body: unknown) => {
        response.status(statusOf(route));
        if (body instanceof Readable) body.pipe(response);
        else response.json(body);
      };
      Promise.resolve(route.handle(String(request.params['id'])))
        .then(answer)
        .catch(next);
    });
  }
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

async function startFastify() {
  const app = fastify();
  await app.register(fastifyAudit, audit);
  for (const route of routesOf(app.audit.service)) {
    const config = route.isAudited ? {} : { audit: false as const };
    app[route.method]<{ Params: { id: string } }>(route.path, { config }, async ({ params }, reply) =>
      reply.status(statusOf(route)).send(await route.handle(params.id)),
    );
  }
  await app.listen({ host: '127.0.0.1', port });
  return app.server;
}

const DOORS = {
  express5: () => startExpress(express),
  // The package has no types of its own.
  express4: () => startExpress(createRequire(import.meta.url)('express4') as typeof express),
  fastify: startFastify,
};

const server = await DOORS[door]();
server.keepAliveTimeout = 120_000;
process.stdout.write('listening\n');
