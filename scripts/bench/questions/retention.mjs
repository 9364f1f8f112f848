// Measures whether requests feel a removal, for docs/comply/retention.md: `npm run bench -- --only retention [events] [mysql|postgres|sqlite]`. Fills a database
// with old events, seals them, has an application answer 300 requests a second, and prints the latencies of these before the
// removal and while it goes on. Needs a build, which the command makes, and a server as the tests do.
import 'reflect-metadata';
import { Controller, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import autocannon from 'autocannon';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { v7 } from 'uuid';
import { Audit, AuditModule, AuditService } from 'nest-audit-trail';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { storedValues } from '../../../dist/esm/store/stored-row.js';
import { endRun } from '../../../test/support/harness/end-of-run.mjs';
import { BenchServer } from '../servers.mjs';

const EVENTS = Number(process.argv[2] ?? 1_000_000);
const KIND = process.argv[3] ?? 'mysql';
const REQUESTS_PER_SECOND = 300;
const BEFORE_SECONDS = 20;
const DAY_MS = 86_400_000;
const ROWS_AT_ONCE = 1_000;
const TENANTS = ['acme', 'globex', 'initech'];
const CATEGORIES = ['data_access', 'data_modification', 'authentication'];

class ThingsController {
  create(id) {
    return { id };
  }
}
const { prototype } = ThingsController;
Post(':id')(prototype, 'create', Object.getOwnPropertyDescriptor(prototype, 'create'));
Param('id')(prototype, 'create', 0);
Controller('things')(ThingsController);
Audit()(ThingsController);
class RootModule {}

const folder = mkdtempSync(join(tmpdir(), 'audit-retention-'));
const server = KIND === 'sqlite' ? { text: 'SQLite' } : await BenchServer.find(KIND);
const database =
  KIND === 'sqlite'
    ? { type: 'better-sqlite3', database: join(folder, 'audit.sqlite') }
    : await server.create();
let app;
try {
  Module({
    imports: [
      AuditModule.forRoot({
        database,
        delivery: { directory: join(folder, 'journal') },
        features: [retention({ rules: [{ keepDays: 365 }] })],
      }),
    ],
    controllers: [ThingsController],
  })(RootModule);
  app = await NestFactory.create(RootModule, { logger: ['warn', 'error'] });
  await app.listen(0, '127.0.0.1');
  const audit = app.get(AuditService);
  const url = `http://127.0.0.1:${app.getHttpServer().address().port}/things/7`;

  await fill(database, (done) => show(`storing ${done} old events`));
  for (let treeSize = 0; treeSize < EVENTS;) {
    ({ treeSize } = await audit.checkpoint());
    show(`sealed ${treeSize}`);
  }
  await load(url, 5);
  show('');

  const before = await load(url, BEFORE_SECONDS);
  const begun = performance.now();
  let isOver = false;
  const removal = app
    .get(AuditRetention)
    .removeExpired({ onProgress: ({ removed }) => show(`removed ${removed}`) })
    .finally(() => (isOver = true));
  const during = [];
  while (!isOver) during.push(await load(url, BEFORE_SECONDS, () => isOver));
  const { removed } = await removal;
  const seconds = (performance.now() - begun) / 1_000;
  const after = await load(url, BEFORE_SECONDS);
  show('');
  await audit.flush();
  await audit.checkpoint();
  const verified = await audit.verify();

  console.log(
    `${server.text}: ${removed} events removed in ${seconds.toFixed(0)} s, ${REQUESTS_PER_SECOND} requests/s meanwhile\n`,
  );
  console.log('| | requests | failed | p50, ms | p99, ms | longest, ms |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  print('before', [before]);
  print('during the removal', during);
  print('after', [after]);
  console.log(
    `\nverify(): ${verified.ok ? 'sound' : 'BROKEN'}, ${verified.events} events, ${verified.removed} removed`,
  );
} finally {
  await app?.close();
  await endRun();
  rmSync(folder, { recursive: true, force: true });
}

/** Requests at an even pace. @param stop whether to end early */
function load(target, duration, stop = () => false) {
  return new Promise((resolve, reject) => {
    const run = autocannon(
      { url: target, method: 'POST', connections: 10, overallRate: REQUESTS_PER_SECOND, duration },
      (error, result) => (error ? reject(error) : resolve(result)),
    );
    const watch = setInterval(() => stop() && run.stop(), 100);
    run.on('done', () => clearInterval(watch));
  });
}

function print(name, runs) {
  const sum = (of) => runs.reduce((total, run) => total + of(run), 0);
  // Of several runs, the mean of each percentile, weighed by their requests, and the longest of all.
  const mean = (key) =>
    sum((run) => run.latency[key] * run.requests.total) / sum((run) => run.requests.total);
  const failed = sum((run) => run.non2xx + run.errors + run.timeouts);
  const longest = Math.max(...runs.map((run) => run.latency.max));
  const figures = [
    sum((run) => run.requests.total),
    failed,
    mean('p50').toFixed(1),
    mean('p99').toFixed(1),
    longest,
  ];
  console.log(`| ${[name, ...figures].join(' | ')} |`);
}

async function fill(options, progress) {
  const connection = await new DataSource(options).initialize();
  const from = Date.now() - 800 * DAY_MS;
  // As of a process of then: the log takes numbered events by an index.
  const source = v7({ msecs: from });
  const columns =
    'id,timestamp,tenant_id,user_id,action,resource,resource_id,details,ip_address,user_agent,session_id,severity,category,outcome,risk_score,compliance_flags,metadata,source,sequence'.split(
      ',',
    );
  for (let done = 0; done < EVENTS; done += ROWS_AT_ONCE) {
    const rows = Array.from({ length: Math.min(ROWS_AT_ONCE, EVENTS - done) }, (_, index) => {
      const timestamp = from + (done + index) * 10;
      const n = done + index;
      return [
        v7({ msecs: timestamp }),
        timestamp,
        TENANTS[n % 3],
        `u-${n % 500}`,
        'invoice.read',
        'invoice',
        `INV-${n % 5_000}`,
        '{"amount":120}',
        '203.0.113.7',
        'measure/1',
        null,
        'low',
        CATEGORIES[(n % 7) % 3],
        'success',
        5,
        '[]',
        `{"method":"GET","schemaVersion":1,"sequence":${n + 1},"source":"${source}","statusCode":200}`,
        source,
        n + 1,
      ];
    });
    let count = 0;
    const place = () => (KIND === 'postgres' ? `$${++count}` : '?');
    const places = rows.map((row) => `(${row.map(place).join(',')})`).join(',');
    const names = columns.map((column) => connection.driver.escape(column)).join(',');
    const values = storedValues(KIND, 'audit_events', columns, rows);
    await connection.query(`INSERT INTO audit_events (${names}) VALUES ${places}`, values);
    if (done % 20_000 === 0) progress(done);
  }
  await connection.destroy();
}

function show(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
