// Other ways to audit a request: the least that a journal costs, and what a user would pick instead of this package. Those store into a
// table by TypeORM, with the index that a reader needs. Copied beside the application.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { tap } from 'rxjs';
import { DataSource, EntitySchema } from 'typeorm';

const LogEntry = new EntitySchema({
  name: 'log_entry',
  columns: {
    id: { type: 'bigint', primary: true, generated: true },
    time: { type: 'bigint' },
    userId: { type: 'varchar', length: 255, nullable: true },
    action: { type: 'varchar', length: 255 },
    method: { type: 'varchar', length: 16 },
    path: { type: 'varchar', length: 2048 },
    statusCode: { type: 'int' },
    durationMs: { type: 'int' },
    ipAddress: { type: 'varchar', length: 64, nullable: true },
    userAgent: { type: 'varchar', length: 512, nullable: true },
  },
  indices: [{ columns: ['time'] }],
});

/** Stores one row for each request, as a tutorial does: nobody waits for it. */
class Log {
  waiting = 0;
  failed = 0;

  constructor(source) {
    this.source = source;
    this.repository = source.getRepository(LogEntry);
  }

  static async open(database) {
    return new Log(
      await new DataSource({ ...database, entities: [LogEntry], synchronize: true }).initialize(),
    );
  }

  save(row) {
    this.waiting += 1;
    return this.repository
      .save(row)
      .catch(() => (this.failed += 1))
      .finally(() => (this.waiting -= 1));
  }
}

const rowOf = (request, response, begun) => ({
  time: begun,
  userId: request.user?.id ?? null,
  action: `${request.method} ${request.route?.path}`,
  method: request.method,
  path: request.url,
  statusCode: response.statusCode,
  durationMs: Date.now() - begun,
  ipAddress: request.ip ?? null,
  userAgent: request.headers['user-agent'] ?? null,
});

const TYPICAL = {
  id: '01a2231c-3e24-7752-bb5f-255ae9b67a6c',
  timestamp: 0,
  tenantId: 'default',
  action: 'thing.read',
  resource: 'thing',
  resourceId: '7',
  details: {},
  severity: 'low',
  category: 'data_access',
  outcome: 'success',
  riskScore: 5,
  complianceFlags: [],
};

const httpOf = (context) => [context.switchToHttp().getRequest(), context.switchToHttp().getResponse()];

const OTHERS = {
  // The floor: a first middleware, a context, a wrapped `end`, one JSON text of a typical event, its CRC, one append. Nothing else.
  floor: (_controller, { file }) => {
    const descriptor = openSync(file, 'a');
    const contexts = new AsyncLocalStorage();
    let sequence = 0;
    const write = (request, response, { timestamp, begun }) => {
      sequence += 1;
      const durationMs = Math.round((performance.now() - begun) * 10) / 10;
      const { method, originalUrl: path, ip: ipAddress, headers } = request;
      const metadata = { source, sequence, method, path, statusCode: response.statusCode, durationMs };
      const text = JSON.stringify({
        ...TYPICAL,
        timestamp,
        ipAddress,
        userAgent: headers['user-agent'],
        metadata,
      });
      writeSync(descriptor, `${crc32(text).toString(16).padStart(8, '0')} event ${sequence} ${text}\n`);
    };
    const source = randomUUID();
    return {
      mount: (app) =>
        app.use((request, response, next) => {
          const record = { timestamp: Date.now(), begun: performance.now() };
          const { end } = response;
          response.end = function (...args) {
            write(request, response, record);
            return end.apply(this, args);
          };
          contexts.run(record, next);
        }),
    };
  },

  'tutorial interceptor': async (_controller, { database }) => {
    const log = await Log.open(database);
    return {
      log,
      mount: (app) =>
        app.useGlobalInterceptors({
          intercept(context, next) {
            const begun = Date.now();
            const [request, response] = httpOf(context);
            return next.handle().pipe(tap(() => void log.save(rowOf(request, response, begun))));
          },
        }),
    };
  },

  '@kitstack/nest-powertools': async (controller, { database, folder }) => {
    const log = await Log.open(database);
    // By its file: the package's own entry starts a server.
    const { Audit, AuditInterceptor } = load(folder, '@kitstack/nest-powertools/dist/hooks/audit.hook.js');
    const { prototype } = controller;
    for (const name of ['read', 'create']) {
      Audit(name)(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
    }
    const storage = {
      save: (entry) =>
        log.save({
          time: entry.timestamp.getTime(),
          userId: entry.userId ?? null,
          action: entry.action,
          method: entry.method,
          path: entry.endpoint,
          statusCode: entry.responseStatus,
          durationMs: entry.duration,
          ipAddress: entry.ipAddress ?? null,
          userAgent: entry.userAgent ?? null,
        }),
    };
    return { log, mount: (app) => app.useGlobalInterceptors(new AuditInterceptor(storage)) };
  },

  '@forlagshuset/nestjs-audit-logging': async (controller, { database, folder }) => {
    const log = await Log.open(database);
    const audit = load(folder, '@forlagshuset/nestjs-audit-logging');
    const { prototype } = controller;
    for (const name of ['read', 'create']) {
      const params = {
        action: audit.ActionVerb.ACCESSED,
        actorIdGetter: () => 'nobody',
        objectIdGetter: (request) => request.params.id ?? '7',
      };
      audit.AuditLogger(params)(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
    }
    // It says nothing of the request itself.
    const save = (_subject, { action, object, timestamp }) =>
      log.save({
        time: Date.parse(timestamp),
        action: action.verb,
        method: '',
        path: String(object.id),
        statusCode: 0,
        durationMs: 0,
      });
    const template = new audit.AuditLog({
      actionType: audit.ActionType.Object,
      actorType: audit.ActorType.Eportal,
      service: { type: audit.ServiceType.App, id: 'bench' },
      objectType: audit.ObjectType.ErudioNamespace,
    });
    const logger = new audit.BaseAuditLogger('bench', template, { log: save });
    return { log, providers: [{ provide: audit.BaseAuditLogger, useValue: logger }] };
  },
};

export async function prepareOther(name, controller, options) {
  const { log, providers = [], mount = () => undefined } = await OTHERS[name](controller, options);
  return {
    providers,
    mount,
    pending: () => log?.waiting ?? 0,
    close: () => log?.source.destroy(),
  };
}

function load(folder, name) {
  return createRequire(join(folder, 'package.json'))(name);
}
