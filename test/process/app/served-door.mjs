// A process with one of the doors: node served-door.mjs <door> <options of the audit as JSON>. Says "listening <port>", and "running" when
// the handler that never answers runs. Plain JavaScript, so that it is run as it is.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const [door, json] = process.argv.slice(2);
const options = JSON.parse(json);
const running = () => console.log('running');
const tell = (port) => console.log(`listening ${port}`);

const doors = {
  async express5() {
    const { default: express } = await import('express');
    await startExpress(express);
  },
  async express4() {
    await startExpress(createRequire(import.meta.url)('express4'));
  },
  async fastify() {
    const { default: fastify } = await import('fastify');
    const { auditTrail } = await import('nest-audit-trail/fastify');
    const app = fastify();
    await app.register(auditTrail, options);
    app.post('/things', async () => ({}));
    app.post('/hangs', () => new Promise(running));
    tell(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
  },
  async nestFastify() {
    await import('reflect-metadata');
    const { Controller, Module, Post } = await import('@nestjs/common');
    const { NestFactory } = await import('@nestjs/core');
    const { FastifyAdapter } = await import('@nestjs/platform-fastify');
    const { AuditModule } = await import('nest-audit-trail');
    class ThingsController {
      things() {
        return {};
      }
      hangs() {
        return new Promise(running);
      }
    }
    for (const name of ['things', 'hangs'])
      Post(name)(
        ThingsController.prototype,
        name,
        Object.getOwnPropertyDescriptor(ThingsController.prototype, name),
      );
    Controller()(ThingsController);
    class RootModule {}
    Module({ imports: [AuditModule.forRoot(options)], controllers: [ThingsController] })(RootModule);
    const app = await NestFactory.create(RootModule, new FastifyAdapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    tell(new URL(await app.getUrl()).port);
  },
};
await doors[door]();

async function startExpress(express) {
  const { auditTrail } = await import('nest-audit-trail/express');
  const audit = auditTrail(options);
  await audit.ready();
  const app = express();
  app.use(audit);
  app.post('/things', (_request, response) => response.json({}));
  app.post('/hangs', running);
  const server = createServer(app);
  server.listen(0, '127.0.0.1', () => tell(server.address().port));
}
