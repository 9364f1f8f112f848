// The application whose requests are measured: two handlers that do nothing, audited or not. In plain JavaScript, so its
// decorators are called by hand.
import 'reflect-metadata';
import { Body, Controller, Get, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { setTimeout as delay } from 'node:timers/promises';
import { Audit, AuditModule, AuditService } from 'nest-audit-trail';
import { answerQuestions } from './asked-process.mjs';

/** How long the database may take for what is left when the clients have their answers. */
const SETTLE_DEADLINE_MS = 120_000;

class ThingsController {
  read(id) {
    return { id, name: 'a thing' };
  }

  create({ name }) {
    return { id: '7', name };
  }
}

class RootModule {}

function decorate(method, route, parameter) {
  const { prototype } = ThingsController;
  route(prototype, method, Object.getOwnPropertyDescriptor(prototype, method));
  parameter(prototype, method, 0);
}

decorate('read', Get(':id'), Param('id'));
decorate('create', Post(), Body());
Controller('things')(ThingsController);

let app;
let audit;

answerQuestions({
  /** @returns the port. @param options of the audit; without any there is none */
  async start(options) {
    if (options) Audit()(ThingsController);
    Module({
      // A load from one address is what detection looks for: its finding would be an event that no request made.
      imports: options
        ? [AuditModule.forRoot({ detection: { rapidActions: { enabled: false } }, ...options })]
        : [],
      controllers: [ThingsController],
    })(RootModule);
    app = await NestFactory.create(RootModule, { abortOnError: false, logger: ['warn', 'error', 'fatal'] });
    if (options) audit = app.get(AuditService);
    await app.listen(0, '127.0.0.1');
    return app.getHttpServer().address().port;
  },

  /** What this process has used of processors until now, and how many events the database does not have yet. */
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuMicros: user + system, pending: audit?.status().pending ?? 0 };
  },

  /** Answers once every event is stored and sealed. */
  async settle() {
    if (!audit) return;
    const deadline = performance.now() + SETTLE_DEADLINE_MS;
    for (;;) {
      try {
        await audit.flush();
        break;
      } catch (error) {
        // It is tried again by itself.
        if (performance.now() > deadline) throw error;
        await delay(250);
      }
    }
    await audit.checkpoint();
  },

  close: () => app.close(),
});
