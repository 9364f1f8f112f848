// The application whose requests are measured: handlers that do next to nothing, audited in one way or another, or not. It is copied
// beside the packages of a platform. In plain JavaScript, so its decorators are called by hand.
import 'reflect-metadata';
import { Body, Controller, Get, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { setTimeout as delay } from 'node:timers/promises';
import { Audit, AuditModule, AuditService } from 'nest-audit-trail';
import { DataSource, EntitySchema } from 'typeorm';
import { answerQuestions } from './answers.mjs';
import { prepareOther } from './others.mjs';
import { startProfile, stopProfile, stopProfileOfThread } from './profile.mjs';

/** How long the database may take for what is left when the clients have their answers. */
const SETTLE_DEADLINE_MS = 120_000;

const Thing = new EntitySchema({
  name: 'thing',
  columns: { id: { type: 'int', primary: true }, name: { type: 'varchar', length: 255 } },
});

class ThingsController {
  list() {
    return [7, 8, 9].map((id) => ({ id, name: 'a thing' }));
  }

  read(id) {
    return { id, name: 'a thing' };
  }

  readRow(id) {
    return things.findOneByOrFail({ id: Number(id) });
  }

  create({ name }) {
    return { id: '7', name };
  }
}

class RootModule {}

function decorate(method, route, parameter) {
  const { prototype } = ThingsController;
  route(prototype, method, Object.getOwnPropertyDescriptor(prototype, method));
  parameter?.(prototype, method, 0);
}

decorate('list', Get());
decorate('read', Get(':id'), Param('id'));
decorate('readRow', Get('rows/:id'), Param('id'));
decorate('create', Post(), Body());
Controller('things')(ThingsController);

let source;
let things;
let app;
let audit;
let other;

answerQuestions({
  /**
   * @param what `options` of the audit, or `other`: the name of another way, with its `database`, `folder` and `file`; neither: the
   *   bare application. `rows`: the database that a handler reads a row from. `away`: the audit's database is, and stays so
   * @returns the port
   */
  async start({ options, other: name, rows, away, ...rest }) {
    if (rows) await openRows(rows);
    const imports = [];
    if (options) {
      Audit()(ThingsController);
      imports.push(AuditModule.forRoot(options));
    }
    if (name) other = await prepareOther(name, ThingsController, rest);
    const providers = other?.providers ?? [];
    Module({ imports, controllers: [ThingsController], providers })(RootModule);
    const logger = away ? false : ['warn', 'error', 'fatal'];
    app = await NestFactory.create(RootModule, { abortOnError: false, logger });
    other?.mount(app);
    if (options && !away) audit = app.get(AuditService);
    await app.listen(0, '127.0.0.1');
    return app.getHttpServer().address().port;
  },

  /** What this process has used until now, and how many events the database does not have yet. */
  usage() {
    const { user, system } = process.cpuUsage();
    return {
      cpuMicros: user + system,
      memoryBytes: process.memoryUsage.rss(),
      pending: audit?.status().pending ?? other?.pending() ?? 0,
    };
  },

  /** Answers once every event is stored and sealed. */
  async settle() {
    const deadline = performance.now() + SETTLE_DEADLINE_MS;
    if (other) while (other.pending() > 0 && performance.now() < deadline) await delay(20);
    if (!audit) return;
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

  startProfile,
  stopProfile,
  stopProfileOfThread,

  async close() {
    await app.close();
    await other?.close();
    await source?.destroy();
  },
});

async function openRows(database) {
  source = await new DataSource({ ...database, entities: [Thing], synchronize: true }).initialize();
  things = source.getRepository(Thing);
  await things.save({ id: 7, name: 'a thing' });
}
