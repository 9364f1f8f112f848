// The application whose requests are measured by each door: one route that does next to nothing, audited or not. Copied beside the packages
// of a platform. In plain JavaScript, so its decorators are called by hand.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { answerQuestions } from './answers.mjs';

let running;

answerQuestions({
  /** @param what the name of a door, and the options of the audit; without them the bare application. @returns the port */
  async start({ door, options }) {
    running = await DOORS[door](options);
    return running.port;
  },

  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuMicros: user + system, memoryBytes: process.memoryUsage.rss() };
  },

  /** Answers once every event is stored and sealed. */
  async settle() {
    await running.audit?.flush();
    await running.audit?.checkpoint();
  },

  close: () => running.close(),
});

const thing = (id) => ({ id, name: 'a thing' });

const DOORS = {
  nestExpress: (options) => startNest(options),
  nestFastify: async (options) => {
    const { FastifyAdapter } = await import('@nestjs/platform-fastify');
    return startNest(options, new FastifyAdapter());
  },
  express5: async (options) => startExpress((await import('express')).default, options),
  express4: (options) => startExpress(createRequire(import.meta.url)('express4'), options),
  async fastify(options) {
    const { default: fastify } = await import('fastify');
    const app = fastify();
    if (options) await app.register((await import('nest-audit-trail/fastify')).auditTrail, options);
    app.get('/things/:id', async ({ params }) => thing(params.id));
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
    return { port: Number(port), audit: app.audit?.service, close: () => app.close() };
  },
};

async function startExpress(express, options) {
  const { auditTrail, audited } = await import('nest-audit-trail/express');
  const audit = options && auditTrail(options);
  await audit?.ready();
  const app = express();
  if (audit) app.use(audit);
  app.get('/things/:id', ...(audit ? [audited()] : []), ({ params }, response) => {
    response.json(thing(params.id));
  });
  const server = createServer(app);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await audit?.close();
  };
  return { port: server.address().port, audit: audit?.service, close };
}

async function startNest(options, adapter) {
  await import('reflect-metadata');
  const { Controller, Get, Module, Param } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { Audit, AuditModule, AuditService } = await import('nest-audit-trail');
  class ThingsController {
    read(id) {
      return thing(id);
    }
  }
  const { prototype } = ThingsController;
  Get(':id')(prototype, 'read', Object.getOwnPropertyDescriptor(prototype, 'read'));
  Param('id')(prototype, 'read', 0);
  Controller('things')(ThingsController);
  if (options) Audit()(ThingsController);
  class RootModule {}
  Module({ imports: options ? [AuditModule.forRoot(options)] : [], controllers: [ThingsController] })(
    RootModule,
  );
  const settings = { logger: ['warn', 'error', 'fatal'], forceCloseConnections: true };
  const app = await (adapter
    ? NestFactory.create(RootModule, adapter, settings)
    : NestFactory.create(RootModule, settings));
  await app.listen(0, '127.0.0.1');
  const { port } = new URL(await app.getUrl());
  return { port: Number(port), audit: options && app.get(AuditService), close: () => app.close() };
}
