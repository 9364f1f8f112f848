// The application that the fault suite kills: a process of its own, on the built package. What to do comes as JSON in the
// first argument; that it listens is told on the standard output.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { Server } from 'node:http';
import { AuditModule } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { ControlController } from './control.controller.js';
import { HandlerRuns } from './handler-runs.js';
import { killAtPoint } from './kill-at-point.js';
import type { KillPoint } from './kill-at-point.js';
import { StrictThingsController, ThingsController } from './things.controller.js';

const { audit, port, runs, killAt, hooks, door } = JSON.parse(process.argv[2] ?? '{}') as {
  audit: AuditModuleOptions;
  port: number;
  /** The named pipe for the handlers that ran. */
  runs: string;
  killAt?: KillPoint;
  /** Nest ends the application at a signal, instead of the library. */
  hooks?: boolean;
  door: 'nestExpress' | 'nestFastify';
};

process.on('unhandledRejection', (reason) => {
  process.stderr.write(`unhandledRejection: ${String((reason as Error)?.stack ?? reason)}\n`);
});
if (killAt) killAtPoint(killAt);

@Module({
  imports: [AuditModule.forRoot({ ...audit })],
  controllers: [
    ThingsController,
    ControlController,
    ...(audit.delivery?.mode === 'buffered' ? [] : [StrictThingsController]),
  ],
  providers: [{ provide: HandlerRuns, useFactory: () => new HandlerRuns(runs) }],
})
class FaultedModule {}

const adapter = door === 'nestFastify' ? new FastifyAdapter() : new ExpressAdapter();
const app = await NestFactory.create<INestApplication<Server>>(FaultedModule, adapter, {
  abortOnError: false,
  logger: ['warn', 'error', 'fatal'],
  // Clients that never stop to send would keep Nest from ending.
  ...(hooks && { forceCloseConnections: true }),
});
if (hooks) app.enableShutdownHooks();
// A client's next request must not meet a connection that the server is just closing for idleness.
app.getHttpServer().keepAliveTimeout = 120_000;
await app.listen(port, '127.0.0.1');
process.stdout.write('listening\n');
