// What an operator sees: the health check of a real Terminus, and metrics of a real OpenTelemetry SDK.
import 'reflect-metadata';
import { Controller, Get, Module, Post } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DataSource } from 'typeorm';
import { Audit, AuditModule, AuditService, NoAudit } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { AuditHealthIndicator, health as healthOf } from 'nest-audit-trail/health';
import type { AuditHealth } from 'nest-audit-trail/health';
import { metrics as auditMetrics } from 'nest-audit-trail/metrics';
import { eventually } from '../support/eventually.js';
import { send } from '../support/http-client.js';
import { narrowActions, POISON } from '../support/narrow-column.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

@Audit()
@Controller('things')
class ThingsController {
  @Post() create() {
    return { id: 1 };
  }
}

@NoAudit()
@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly audit: AuditHealthIndicator,
  ) {}

  @Get() @HealthCheck() check() {
    return this.health.check([() => this.audit.isHealthy()]);
  }

  @Get('patient') @HealthCheck() patient() {
    return this.health.check([() => this.audit.isHealthy('backlog', { maxPendingMs: 100 })]);
  }
}

/** What Terminus answers. */
interface HealthAnswer {
  readonly status: number;
  readonly body: { readonly status: string; readonly details: Readonly<Record<string, AuditHealth>> };
}

describeOnSqlite('what an operator sees', (create) => {
  let database: TestDatabase;
  let store: RemovableDatabase | undefined;
  let app: INestApplication | undefined;
  let audit: AuditService;
  let port: number;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await store?.release();
    store = undefined;
    await database.drop();
  });

  async function start(options: AuditModuleOptions = {}): Promise<void> {
    @Module({
      imports: [
        TerminusModule.forRoot({ logger: false }),
        AuditModule.forRoot({
          database: database.options,
          ...options,
          features: [healthOf(), ...(options.features ?? [])],
          delivery: { directory: database.journal, shutdownTimeoutMs: 1_000, ...options.delivery },
        }),
      ],
      controllers: [ThingsController, HealthController],
    })
    class ObservedModule {}
    app = await NestFactory.create(ObservedModule, { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    audit = app.get(AuditService);
    ({ port } = app.getHttpServer().address() as AddressInfo);
  }

  const post = () => send(port, { method: 'POST', path: '/things' });

  async function health(path = '/health'): Promise<HealthAnswer> {
    const { status, body } = await send(port, { path });
    return { status, body: JSON.parse(body) as HealthAnswer['body'] };
  }

  describe('in the health check', () => {
    const up: AuditHealth = {
      status: 'up',
      mode: 'durable',
      pending: 0,
      oldestPendingMs: 0,
      dropped: 0,
      dead: 0,
    };

    it('is up while all is well', async () => {
      await start();
      await post();
      await audit.flush();
      expect(await health()).toEqual({
        status: 200,
        body: { status: 'ok', info: { audit: up }, error: {}, details: { audit: up } },
      });
    });

    it('is down while the database is away, though requests go on, and up when it is back', async () => {
      store = await removable(database, true);
      await start({ database: store.options });
      expect((await health()).status).toBe(200);
      await store.remove();
      for (let index = 0; index < 3; index += 1) expect((await post()).status).toBe(201);
      await eventually(() => expect(audit.status().lastError).toBeDefined());
      const { status, body } = await health();
      expect(status).toBe(503);
      // And nothing of what the driver says, which names hosts and files.
      expect(body.details).toEqual({
        audit: {
          ...up,
          status: 'down',
          reason: 'database away',
          pending: 3,
          oldestPendingMs: expect.any(Number),
        },
      });
      expect(body.details['audit']!.oldestPendingMs).toBeGreaterThan(0);
      await store.restore();
      await eventually(async () =>
        expect(await health()).toMatchObject({ status: 200, body: { details: { audit: up } } }),
      );
    });

    it('is down where the database never was there, though nothing waits to be stored', async () => {
      store = await removable(database, false);
      await start({ database: store.options });
      const { status, body } = await health();
      expect(status).toBe(503);
      expect(body.details['audit']).toEqual({ ...up, status: 'down', reason: 'database away' });
      await store.restore();
      await eventually(async () => expect((await health()).status).toBe(200));
    });

    it('asks again where a question is never answered', async () => {
      await start();
      let isSilent = true;
      const events = {
        ping: (signal?: AbortSignal) =>
          isSilent
            ? new Promise<never>((_, reject) =>
                signal?.addEventListener('abort', () => reject(new Error('broken'))),
              )
            : Promise.resolve(),
      };
      const indicator = new AuditHealthIndicator(audit, events);
      expect(await indicator.isHealthy()).toMatchObject({
        audit: { status: 'down', reason: 'database away' },
      });
      isSilent = false;
      await eventually(async () =>
        expect(await indicator.isHealthy()).toMatchObject({ audit: { status: 'up' } }),
      );
    });

    it('is down while there is no room', async () => {
      await start({ delivery: { mode: 'buffered', maxBuffered: 2, flushIntervalMs: 60_000 } });
      await audit.record({ action: 'thing.create' });
      expect((await health()).status).toBe(200);
      await audit.record({ action: 'thing.create' });
      expect(await health()).toMatchObject({
        status: 503,
        body: { details: { audit: { status: 'down', reason: 'no room', mode: 'buffered', pending: 2 } } },
      });
    });

    it('is down where events wait longer than it is told they may', async () => {
      await start({ delivery: { flushIntervalMs: 60_000 } });
      // When it began says nothing of how long it waits.
      await audit.record({ action: 'thing.create', timestamp: Date.now() - 3_600_000 });
      await audit.flush();
      expect((await health('/health/patient')).status).toBe(200);
      await audit.record({ action: 'thing.create' });
      expect((await health()).status).toBe(200);
      await eventually(async () =>
        expect(await health('/health/patient')).toMatchObject({
          status: 503,
          body: { details: { backlog: { status: 'down', reason: 'events wait too long', pending: 1 } } },
        }),
      );
    });

    it("is down while the journal can't be written", async () => {
      await start();
      await rm(database.journal, { recursive: true });
      await writeFile(database.journal, 'in the way');
      await eventually(async () =>
        expect(await health()).toMatchObject({
          status: 503,
          body: { details: { audit: { status: 'down', reason: 'journal can not be written' } } },
        }),
      );
      await rm(database.journal);
      await eventually(async () => expect((await health()).status).toBe(200));
    });
  });

  describe('in the metrics', () => {
    let provider: MeterProvider;
    let totals: InMemoryMetricExporter;
    /** Has nothing of what is not reported any more, while the SDK repeats the last of the totals for ever. */
    let changes: InMemoryMetricExporter;

    beforeEach(() => {
      totals = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
      changes = new InMemoryMetricExporter(AggregationTemporality.DELTA);
      provider = new MeterProvider({
        readers: [totals, changes].map(
          (exporter) => new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 }),
        ),
      });
      metrics.setGlobalMeterProvider(provider);
    });

    afterEach(async () => {
      metrics.disable();
      await provider.shutdown();
    });

    /** What is exported now of the library's metrics. */
    async function collected(exporter = totals) {
      exporter.reset();
      await provider.forceFlush();
      return exporter
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics)
        .filter(({ scope }) => scope.name === 'nest-audit-trail')
        .flatMap((scope) => scope.metrics);
    }

    async function values(): Promise<Record<string, unknown>> {
      const all = await collected();
      return Object.fromEntries(
        all.map(({ descriptor, dataPoints }) => {
          expect(dataPoints).toHaveLength(1);
          return [descriptor.name, dataPoints[0]!.value];
        }),
      );
    }

    it('tells what becomes of events while the database is away, and after', async () => {
      store = await removable(database, true);
      await start({ database: store.options, features: [auditMetrics()] });
      await post();
      await audit.flush();
      const before = await values();
      expect(before).toEqual({
        'audit.event.pending': 0,
        'audit.event.oldest_age': 0,
        'audit.event.delivered': 1,
        'audit.event.dead': 0,
        'audit.event.dropped': 0,
        'audit.delivery.retries': 0,
        'audit.delivery.healthy': 1,
        'audit.journal.size': audit.status().pendingBytes,
      });
      await store.remove();
      for (let index = 0; index < 5; index += 1) await post();
      await eventually(() => expect(audit.status().retried).toBeGreaterThan(1));
      const during = await values();
      expect(during).toMatchObject({
        'audit.event.pending': 5,
        'audit.event.delivered': 1,
        'audit.delivery.healthy': 0,
      });
      expect(during['audit.delivery.retries']).toBeGreaterThan(1);
      expect(during['audit.event.oldest_age']).toBeGreaterThan(0);
      expect(during['audit.event.oldest_age']).toBeLessThan(60);
      expect(during['audit.journal.size']).toBeGreaterThan(before['audit.journal.size'] as number);
      await store.restore();
      await eventually(() => audit.flush());
      expect(await values()).toMatchObject({
        'audit.event.pending': 0,
        'audit.event.oldest_age': 0,
        'audit.event.delivered': 6,
        'audit.delivery.healthy': 1,
      });
    });

    it('counts what is dropped and what is dead', async () => {
      await start({
        features: [auditMetrics()],
        delivery: { mode: 'buffered', maxBuffered: 2, flushIntervalMs: 60_000 },
      });
      const connection = await new DataSource(database.options).initialize();
      await narrowActions(connection, 'sqlite');
      await connection.destroy();
      await audit.record({ action: POISON });
      await audit.record({ action: 'thing.create' });
      for (let index = 0; index < 3; index += 1) await post();
      expect(await values()).toMatchObject({ 'audit.event.dropped': 3, 'audit.delivery.healthy': 0 });
      await audit.flush();
      const after = await values();
      expect(after).toMatchObject({ 'audit.event.dead': 1, 'audit.event.dropped': 3 });
      // There is no journal.
      expect(after).not.toHaveProperty(['audit.journal.size']);
    });

    it('names units, kinds and whose they are, and ends with the application', async () => {
      await start({ features: [auditMetrics()], service: { name: 'billing', version: '2.1' } });
      const all = await collected();
      expect(
        all.map(({ descriptor, dataPointType, dataPoints }) => [
          descriptor.name,
          descriptor.unit,
          dataPointType === DataPointType.GAUGE
            ? 'gauge'
            : dataPointType === DataPointType.SUM
              ? 'sum'
              : 'other',
          dataPoints[0]!.attributes,
        ]),
      ).toEqual(
        (
          [
            ['audit.event.pending', '{event}', 'sum'],
            ['audit.event.oldest_age', 's', 'gauge'],
            ['audit.event.delivered', '{event}', 'sum'],
            ['audit.event.dead', '{event}', 'sum'],
            ['audit.event.dropped', '{event}', 'sum'],
            ['audit.delivery.retries', '{retry}', 'sum'],
            ['audit.delivery.healthy', '1', 'gauge'],
            ['audit.journal.size', 'By', 'sum'],
          ] as const
        ).map((described) => [
          ...described,
          { 'audit.delivery.mode': 'durable', 'service.name': 'billing', 'service.version': '2.1' },
        ]),
      );
      expect(await collected(changes)).toHaveLength(all.length);
      await app!.close();
      app = undefined;
      expect(await collected(changes)).toEqual([]);
    });

    it('tells nothing unless it is asked to', async () => {
      await start();
      await post();
      await audit.flush();
      expect(await collected()).toEqual([]);
    });
  });
});

describe('the built package', () => {
  const MEMORY = "{ database: { type: 'better-sqlite3', database: ':memory:' } }";
  const OPTIONAL = ['@nestjs/terminus', '@opentelemetry/api'];
  const folders: string[] = [];
  let complete: string;
  let without: string;

  beforeAll(async () => {
    complete = await install(await installed());
    without = await install((await installed()).filter((name) => !OPTIONAL.includes(name)));
  });

  afterAll(async () => {
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
  });

  /** Every package that is installed here. */
  async function installed(): Promise<string[]> {
    const found = await Promise.all(
      (await readdir('node_modules')).map(async (name) =>
        name.startsWith('@')
          ? (await readdir(join('node_modules', name))).map((scoped) => `${name}/${scoped}`)
          : [name],
      ),
    );
    return found.flat().filter((name) => !name.startsWith('.'));
  }

  /** An application's folder, with the built package beside these. */
  async function install(packages: readonly string[]): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'audit-installed-'));
    folders.push(folder);
    const own = join(folder, 'node_modules/nest-audit-trail');
    await cp('dist', join(own, 'dist'), { recursive: true });
    await cp('package.json', join(own, 'package.json'));
    for (const name of packages) {
      const place = join(folder, 'node_modules', name);
      await mkdir(dirname(place), { recursive: true });
      await symlink(resolve('node_modules', name), place);
    }
    return folder;
  }

  /** Starts an application with each list of features there, all in one process, and answers what each says. */
  async function startIn(folder: string, format: 'esm' | 'cjs', ...lists: string[]): Promise<string[]> {
    const load = (names: string, from: string) =>
      format === 'esm' ? `import ${names} from '${from}';` : `const ${names} = require('${from}');`;
    const file = join(folder, format === 'esm' ? 'app.mjs' : 'app.cjs');
    await writeFile(
      file,
      `${load('{ Module }', '@nestjs/common')}
      ${load('{ NestFactory }', '@nestjs/core')}
      ${load('{ AuditModule }', 'nest-audit-trail')}
      ${load('{ AuditHealthIndicator, health }', 'nest-audit-trail/health')}
      ${load('{ metrics }', 'nest-audit-trail/metrics')}
      async function start(features) {
        class Root {}
        Module({ imports: [AuditModule.forRoot({ ...${MEMORY}, features: features() })] })(Root);
        const app = await NestFactory.createApplicationContext(Root, { logger: false, abortOnError: false });
        console.log((await app.get(AuditHealthIndicator).isHealthy()).audit.status);
        await app.close();
      }
      (async () => {
        for (const features of [${lists.map((list) => `() => [${list}]`).join(', ')}])
          await start(features).catch((error) => console.log(error.code, error.field, error.message));
      })();`,
    );
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: folder });
    return stdout.trim().split('\n');
  }

  describe.each(['esm', 'cjs'] as const)('as %s', (format) => {
    let saidWithout: string[];

    beforeAll(async () => {
      saidWithout = await startIn(without, format, 'health()', 'health(), metrics()');
    });

    it('reports metrics where OpenTelemetry is installed', async () => {
      expect(await startIn(complete, format, 'health(), metrics()')).toEqual(['up']);
    });

    it('needs neither Terminus nor OpenTelemetry', () => {
      expect(saidWithout[0]).toBe('up');
    });

    it('says what to install where metrics are asked for without it', () => {
      expect(saidWithout.slice(1)).toEqual([
        'AUDIT_INVALID_OPTIONS metrics The audit feature metrics needs OpenTelemetry, which is not installed: write npm install @opentelemetry/api.',
      ]);
    });
  });
});
