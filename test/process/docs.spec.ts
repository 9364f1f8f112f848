// The prose can't drift: examples compile and run, tables equal the code, links lead somewhere.
import 'reflect-metadata';
import { Controller, Get, Logger, Module } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { getMetadataStorage } from 'class-validator';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { createServer } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import {
  Audit,
  AUDIT_ERROR_CODES,
  AuditModule,
  AuditQueryDto,
  AuditService,
  CATEGORIES,
  OUTCOMES,
  SEVERITIES,
} from 'nest-audit-trail';
import type { AuditLogEvent, AuditStatus } from 'nest-audit-trail';
import type { NodeAudit } from 'nest-audit-trail/node';
import { conclusionOf, draftOf } from '../../src/capture/request-event.js';
import { noteFault, RequestRecord } from '../../src/capture/request-record.js';
import { DEFAULT_RESOLVERS } from '../../src/capture/resolvers.js';
import type { CapturedRequest } from '../../src/capture/resolvers.js';
import { actionOfRoute, resourceOfController } from '../../src/capture/route-names.js';
import { FACT_LIMITS, flattenFacts } from '../../src/event/flatten.js';
import { UNREADABLE_KEY } from '../../src/event/read-event.js';
import { safeText, TEXT_LIMITS } from '../../src/event/safe-text.js';
import { DELIVERY_DEFAULTS } from '../../src/delivery/delivery-options.js';
import { decodeLine } from '../../src/journal/journal-line.js';
import { canonicalJson } from '../../src/ledger/canonical-json.js';
import { RouteAuditReader } from '../../src/nest/route-audit.reader.js';
import { defaultCategory, defaultSeverity } from '../../src/recorder/classify.js';
import { EventCompleter } from '../../src/recorder/event-completer.js';
import { Redactor } from '../../src/recorder/redaction/redactor.js';
import { SafePaths } from '../../src/recorder/redaction/safe-paths.js';
import { HIGH_RISK_FROM } from '../../src/recorder/risk/risk-points.js';
import { createSecretKeyTest, SECRET_PARTS, SECRET_WORDS } from '../../src/recorder/redaction/secret-key.js';
import { PROTECTED_FIELDS_KEY, PROTECTED_KEY } from '../../src/event/protected-marks.js';
import { LEDGER_DEFAULTS } from '../../src/sealer/ledger-options.js';
import { EVENT_INDEXES } from '../../src/store/migrations/1763856000000-create-audit.js';
import { DEFAULT_LIMIT, MAX_LIMIT } from '../../src/trail/audit-query.dto.js';
import { PROBLEM_CODES } from '../../src/trail/verification/verification-result.js';
import { send } from '../support/http-client.js';
import { callOf } from '../support/docs/curl.js';
import { compileExamples, WrittenExamples } from '../support/docs/examples.js';
import { codeWords, Page } from '../support/docs/page.js';

/** No parameter of a path is secret. */
const PATHS = new SafePaths(() => false);

const readme = Page.read('README.md');
const firstSteps = Page.read('docs/start/first-steps.md');
const format = Page.read('docs/reference/format.md');
const journal = Page.read('docs/operate/journal.md');
const options = Page.read('docs/reference/options.md');
const privacy = Page.read('docs/comply/privacy.md');
const querying = Page.read('docs/read/querying.md');

/** The words of a union type of a source file, which compiled code does not have. */
function unionIn(file: string, type: string): string[] {
  const [, body = ''] = readFileSync(file, 'utf8').split(`type ${type} =`);
  return [...body.split(';', 1)[0]!.matchAll(/'([^']+)'/g)].map((match) => match[1]!);
}

describe('documentation', () => {
  const pages = Page.all();

  it('has examples that compile', () => {
    const ours = pages.filter(({ path }) => path === 'README.md' || path.startsWith('docs/'));
    expect(ours.flatMap((page) => page.blocks('ts')).length).toBeGreaterThan(10);
    expect(compileExamples(ours)).toEqual([]);
    // A compiler takes its time on a busy machine.
  }, 120_000);

  it('has a README that is read in a few minutes', () => {
    expect(readme.text.split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(1_300);
    for (const [, picture] of readme.text.matchAll(/(?:src|srcset)="([^"]+)"/g))
      expect([picture, existsSync(picture!)]).toEqual([picture, true]);
  });

  it('has links that lead somewhere', () => {
    const broken = pages.flatMap((page) =>
      page.links().filter((link) => {
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? page.path : normalize(join(dirname(page.path), file));
        if (!existsSync(target)) return true;
        return anchor !== undefined && !Page.read(target).anchors().includes(anchor);
      }),
    );
    expect(pages.flatMap((page) => page.links()).length).toBeGreaterThan(20);
    expect(broken).toEqual([]);
  });

  it('is reached from its index', () => {
    const reached = new Set(['docs/index.md']);
    for (const path of reached) {
      for (const link of Page.read(path).links()) {
        const target = normalize(join(dirname(path), link.split('#')[0]!));
        if (target.startsWith('docs/') && target.endsWith('.md')) reached.add(target);
      }
    }
    const ours = pages.map(({ path }) => path).filter((path) => path.startsWith('docs/'));
    expect(ours.filter((path) => !reached.has(path))).toEqual([]);
    expect(readme.links()).toContain('docs/index.md');
  });

  it('says of each decision whether it still stands', () => {
    const decisions = pages.filter(({ path }) => /^docs\/decisions\/\d/.test(path));
    const silent = decisions.filter(
      ({ text }) => !/^# .*\n\n\*\*(Stands|Superseded)( in part)?\b/.test(text),
    );
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('names commands and files that there are', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>;
    };
    const named = pages.flatMap(({ text }) =>
      [...text.matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g)].map((match) => match[1] ?? match[2]!),
    );
    // In the five minutes it is the reader's own application that starts.
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
    const files = pages
      .filter(({ path }) => path === 'CONTRIBUTING.md' || path.startsWith('docs/decisions/'))
      .flatMap(({ text }) => codeWords(text))
      .filter((word) => /^(src|test|docs|demo|scripts)\/[\w./-]+$/.test(word));
    expect(files.length).toBeGreaterThan(3);
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
  });

  it('asks for the versions that the package asks for', () => {
    const { engines, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
      'engines' | 'peerDependencies',
      Record<string, string>
    >;
    const lowest = (range: string | undefined) => /\d+(\.\d+)*/.exec(range!)![0].replace(/(\.0)+$/, '');
    const install = readme.section('Install').text.replace(/\n/g, ' ');
    expect(install).toContain(`Node ${lowest(engines['node'])} or later`);
    expect(install).toContain(`NestJS ${lowest(peerDependencies['@nestjs/core'])} or later`);
    expect(install).toContain(`TypeORM ${lowest(peerDependencies['typeorm'])} or later`);
    const packages = /npm install (nest-audit-trail.*)/
      .exec(readme.section('Install').text)![1]!
      .split(' ')
      .slice(1);
    // A version may be named, where the newest is not the one.
    const names = packages.map((name) => name.replace(/@\d+$/, ''));
    expect(names.filter((name) => peerDependencies[name] === undefined)).toEqual([]);
  });

  it('tells the life of an event along the folders of src', () => {
    const { text } = readme.section('Life of an event');
    const named = [...text.matchAll(/`(\w+)\/`/g)].map((match) => match[1]!).filter((name) => name !== 'src');
    const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(named.sort()).toEqual(folders.map(({ name }) => name).sort());
  });
});

describe('examples that run', () => {
  const home = process.cwd();
  let folder: string;
  let app: NestExpressApplication | undefined;
  let examples: WrittenExamples | undefined;

  beforeEach(async () => {
    // Where no database and no directory are named, file and journal are made in the working directory.
    folder = await mkdtemp(join(tmpdir(), 'audit-docs-'));
    process.chdir(folder);
    Logger.overrideLogger(false);
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    examples?.remove();
    process.chdir(home);
    await rm(folder, { recursive: true, force: true });
  });

  async function start(module: unknown): Promise<{ audit: AuditService; port: number }> {
    app = await NestFactory.create<NestExpressApplication>(module as Type, {
      abortOnError: false,
      logger: false,
    });
    await app.listen(0, '127.0.0.1');
    return { audit: app.get(AuditService), port: (app.getHttpServer().address() as AddressInfo).port };
  }

  it("leave what the README's ten lines say", async () => {
    examples = new WrittenExamples(readme.section('Ten lines'));
    const { audit, port } = await start((await examples.import(0))['AppModule']);
    const [json] = readme.section('Ten lines').blocks('json');
    const shown = JSON.parse(json!.code) as AuditLogEvent;
    const answer = await send(port, {
      method: 'POST',
      path: String(shown.metadata['path']),
      headers: { 'user-agent': shown.userAgent! },
    });
    expect(answer.status).toBe(shown.metadata['statusCode']);
    await audit.flush();
    for (const made of ['audit.sqlite', 'audit-journal']) expect(existsSync(join(folder, made))).toBe(true);
    const { events } = await audit.find({ tenantId: 'default' });
    expect(events).toEqual([
      {
        ...shown,
        id: expect.any(String),
        timestamp: expect.any(Number),
        metadata: {
          ...shown.metadata,
          durationMs: expect.any(Number),
          requestId: events[0]!.id,
          source: expect.any(String),
        },
      },
    ]);
    expect(shown.metadata['requestId']).toBe(shown.id);
    expect(parseInt(shown.id.replace('-', '').slice(0, 12), 16)).toBe(shown.timestamp);
  });

  it.each([0, 1, 2])("record by the README's doors without Nest: %i", async (index) => {
    examples = new WrittenExamples(readme.section('Doors'));
    const made = await examples.import(index);
    const fastify = typeof made['app'] === 'object' ? (made['app'] as FastifyInstance) : undefined;
    await fastify?.ready();
    const audit = (fastify ?? made)['audit' as never] as NodeAudit;
    const server =
      fastify?.server ??
      (made['server'] as Server | undefined) ??
      createServer(made['app'] as RequestListener);
    try {
      if (!fastify) await audit.ready();
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      const { port } = server.address() as AddressInfo;
      const answer = await send(port, { method: 'POST', path: '/invoices/INV-7/approve' });
      expect([answer.status, answer.body]).toEqual([200, '{"amount":120}']);
      await audit.service.flush();
      const { events } = await audit.service.find({ tenantId: 'default' });
      expect(events).toMatchObject([{ action: 'invoice.approve', severity: 'high', outcome: 'success' }]);
    } finally {
      await new Promise((closed) => server.close(closed));
      await (fastify ?? audit).close();
    }
  });

  it('lead through the first steps', async () => {
    const walk = firstSteps;
    examples = new WrittenExamples(walk);
    const { audit, port } = await start((await examples.import('src/app.module.ts'))['AppModule']);
    const [requests, reads] = walk.blocks('sh').map(({ code }) => code.trim().split('\n').map(callOf));
    for (const call of requests!) await send(port, call);
    await audit.flush();
    const { events } = await audit.find({ tenantId: 'default', order: 'oldest' });
    const rows = events.map(({ action, resourceId = '', outcome, category, severity, riskScore }) => [
      action,
      resourceId,
      outcome,
      category,
      severity,
      String(riskScore),
    ]);
    expect(rows).toEqual(walk.table('Request').map(([, ...row]) => row));
    expect(rows).toHaveLength(requests!.length);

    const pages = [];
    for (const call of reads!) {
      const answer = await send(port, call);
      expect(answer.status).toBe(200);
      pages.push(JSON.parse(answer.body) as { events: AuditLogEvent[]; nextCursor?: string });
    }
    const [first, failures] = pages;
    expect(first!.events.map(({ action }) => action)).toEqual(['invoice.approve', 'invoice.create']);
    expect(first!.nextCursor).toEqual(expect.any(String));
    expect(failures!.events.map(({ metadata }) => metadata['path'])).toEqual(['/nowhere', '/invoices']);
  });

  it('query as docs/read/querying.md says', async () => {
    @Controller('invoices')
    class InvoicesController {
      @Get() list() {
        return [];
      }
    }
    @Module({ imports: [AuditModule.forRoot()], controllers: [InvoicesController] })
    class QueriedModule {}
    const { audit } = await start(QueriedModule);
    for (let index = 0; index < 250; index += 1) {
      await audit.record({
        tenantId: 'acme',
        action: 'invoice.approve',
        severity: 'high',
        resourceId: 'INV-7',
      });
    }
    await audit.flush();
    Object.assign(globalThis, { audit, tenantId: 'acme' });
    const { log } = console;
    const printed: unknown[][] = [];
    console.log = (...line) => void printed.push(line);
    try {
      examples = new WrittenExamples(querying);
      const count = querying.blocks('ts').length;
      for (let index = 0; index < count; index += 1) await examples.import(index);
      // The pages and the stream show every event, the statistics one line.
      expect(printed.filter(([timestamp]) => typeof timestamp === 'number' && timestamp > 1e12)).toHaveLength(
        250,
      );
      expect(printed.filter(([text]) => String(text).startsWith('{"id"'))).toHaveLength(250);
      expect(printed.filter(([total]) => total === 250)).toHaveLength(1);
      await audit.flush();
      const { events } = await audit.find({ tenantId: 'acme', action: 'report.generate' });
      expect(events).toMatchObject([{ userId: 'scheduler', metadata: { actorType: 'job' } }]);
    } finally {
      console.log = log;
      for (const name of ['audit', 'tenantId']) Reflect.deleteProperty(globalThis, name);
    }
  });
});

describe('tables that equal the code', () => {
  it('of defaults of options', () => {
    const defaults = Object.fromEntries(
      options.table('Option').map(([path, , value]) => [path, value!.split(';')[0]!.replaceAll('`', '')]),
    );
    const groups = {
      delivery: DELIVERY_DEFAULTS,
      ledger: LEDGER_DEFAULTS,
    };
    for (const [group, values] of Object.entries(groups)) {
      for (const [name, value] of Object.entries(values)) {
        expect([name, defaults[`${group}.${name}`]]).toEqual([
          name,
          typeof value === 'string' ? `'${value}'` : String(value),
        ]);
      }
    }
  });

  it('of options of @Audit()', () => {
    class Wrong {
      @Audit({ nonsense: true } as object) handler() {}
    }
    let message = '';
    try {
      new RouteAuditReader({}, 'durable').read(Wrong, Wrong.prototype.handler, 'GET');
    } catch (error) {
      ({ message } = error as Error);
    }
    const known = /The options are (.*)\.$/.exec(message)![1]!.split(', ');
    const said = options
      .section('`@Audit()`')
      .table('Option')
      .map(([name]) => name!);
    expect([...said].sort()).toEqual([...known].sort());
  });

  it('of what verification finds', () => {
    const codes = Page.read('docs/prove/tamper-evidence.md')
      .table('code')
      .map(([code]) => code);
    expect(codes).toEqual([...PROBLEM_CODES]);
  });

  it('of errors', () => {
    const errors = Page.read('docs/reference/errors.md');
    const headings = [...errors.text.matchAll(/^## (.*)$/gm)].map((match) => match[1]);
    expect(headings).toEqual([...AUDIT_ERROR_CODES]);
  });

  it('of the fields and the metadata of an event', () => {
    const request = {
      method: 'GET',
      headers: { 'user-agent': 'a', traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` },
      socket: {},
    } as unknown as CapturedRequest;
    // A request to which everything happened that metadata can tell.
    const record = recordOf(request, 500);
    record.route = { recorded: true, action: 'a.b', resource: 'a', handler: 'A.b' };
    record.pattern = '/';
    record.errorName = 'Error';
    record.identity = { actorType: 'user', impersonatorId: 'root', roles: ['admin'] };
    record.blockedBy = { id: 'a-rule', name: 'A rule' };
    noteFault(record, 'details');
    const { captured: _captured, ...draft } = draftOf(record, PATHS);
    const completer = new EventCompleter(new Redactor(), console);
    const event = completer.describe(draftOf(record, PATHS));
    completer.conclude(event, conclusionOf(record, 'closed', PATHS));
    record.withheld = true;
    completer.conclude(event, conclusionOf(record, 'interrupted', PATHS));
    const added = ['source', 'sequence', 'service', 'serviceVersion', 'riskFactors'];
    added.push(PROTECTED_KEY, PROTECTED_FIELDS_KEY, UNREADABLE_KEY);
    expect(
      format
        .section('Metadata')
        .table('Key')
        .map(([key]) => key)
        .sort(),
    ).toEqual([...Object.keys(event.metadata), ...added].sort());
    const fields = format.section('Fields').table('Field');
    // A field too many or too few does not compile.
    const every: Record<keyof AuditLogEvent, true> = {
      id: true,
      timestamp: true,
      tenantId: true,
      userId: true,
      action: true,
      resource: true,
      resourceId: true,
      details: true,
      ipAddress: true,
      userAgent: true,
      sessionId: true,
      severity: true,
      category: true,
      outcome: true,
      riskScore: true,
      complianceFlags: true,
      metadata: true,
    };
    expect(fields.map(([name]) => name)).toEqual(Object.keys(every));
    expect(Object.keys(draft).filter((name) => !(name in every))).toEqual([]);
    const vocabulary = (field: string) => codeWords(fields.find(([name]) => name === field)![2]!);
    expect(vocabulary('severity')).toEqual([...SEVERITIES]);
    expect(vocabulary('category')).toEqual([...CATEGORIES]);
    expect(vocabulary('outcome')).toEqual([...OUTCOMES]);
  });

  it('of actions', () => {
    for (const [controller, method, path, handler, action] of format.table('Controller')) {
      const resource = resourceOfController(controller!);
      expect(actionOfRoute(resource, method!, path!, handler!)).toBe(action);
    }
  });

  it('of categories and stages', () => {
    const section = format.section('Category and stage');
    const fits = (condition: string, value: string | number | boolean | undefined) =>
      condition.split(', ').some((one) => {
        if (one === 'any') return true;
        if (typeof value === 'boolean') return one === (value ? 'yes' : 'no');
        if (value === undefined) return one === 'none';
        return one === String(value) || one === `${Math.trunc(Number(value) / 100)}xx`;
      });
    const firstThatFits = (rows: string[][], ...values: (string | number | boolean | undefined)[]) =>
      rows.find((row) => values.every((value, column) => fits(row[column]!, value)))?.at(-1);
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      for (const status of [
        undefined,
        200,
        207,
        302,
        400,
        401,
        403,
        404,
        405,
        409,
        413,
        429,
        500,
        501,
        503,
      ]) {
        for (const [route, passed] of [
          [false, false],
          [true, false],
          [true, true],
        ] as const) {
          const request = { method, headers: {}, socket: {} } as unknown as CapturedRequest;
          const record = recordOf(request, status);
          if (route) {
            record.route = {
              recorded: true,
              action: 'a.b',
              resource: 'a',
              handler: 'A.b',
            };
            record.passedGuards = passed;
          }
          const conclusion = conclusionOf(record, 'sent', PATHS);
          expect({
            method,
            status,
            route,
            passed,
            category: conclusion.category,
            stage: conclusion.captured['stage'] ?? '',
          }).toEqual({
            method,
            status,
            route,
            passed,
            category: firstThatFits(section.table('Method'), method, status, route),
            stage: firstThatFits(section.table('Status'), status, route, passed),
          });
        }
      }
    }
    expect(['invoice.read', 'invoice.list', 'invoice.export'].map(defaultCategory)).toEqual(
      Array.from({ length: 3 }, () => 'data_access'),
    );
    expect(
      codeWords(section.text.split('An event of `record()`')[1]!).filter((word) => word.startsWith('.')),
    ).toEqual(['.read', '.list', '.export']);
  });

  it('of severities', () => {
    const section = format.section('Severity');
    const [, ...outcomes] = ['`category`', '`success`', '`partial`', '`failure`'].map(
      (name) => codeWords(name)[0]!,
    );
    const rows = section.table('category', ...outcomes);
    expect(rows.map(([category]) => category).sort()).toEqual([...CATEGORIES].sort());
    for (const [category, ...severities] of rows) {
      const computed = outcomes.map((outcome) =>
        defaultSeverity(category as 'system', outcome as 'success', 'other'),
      );
      expect([category, ...severities]).toEqual([category, ...computed]);
    }
    // The sentence below it.
    for (const category of CATEGORIES) {
      for (const outcome of OUTCOMES) {
        const before = defaultSeverity(category, outcome, 'other');
        const raised = { low: 'medium', medium: 'high' }[before as string] ?? before;
        const expected = category === 'data_modification' ? raised : before;
        expect(defaultSeverity(category, outcome, 'delete')).toBe(expected);
      }
    }
    expect(section.text).toContain('`low` becomes `medium`, `medium` becomes `high`');
  });

  it('of risk points', () => {
    // The points are on the page on risk, which test/detection/docs.spec.ts compares.
    for (const page of [format.section('Risk score'), querying.section('Statistics')]) {
      expect(page.text).toMatch(new RegExp(`\\b${HIGH_RISK_FROM} and more`));
    }
  });

  it('of flattened values', () => {
    const rows = format.section('Details and metadata are flat').table('Given');
    expect(rows.length).toBeGreaterThan(10);
    for (const [given, stored] of rows) {
      const value = new Function('Buffer', `return (${given});`)(Buffer) as Record<string, unknown>;
      expect([given, canonicalJson(flattenFacts(value, createSecretKeyTest()))]).toEqual([given, stored]);
    }
  });

  it('of marks', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    let deep: object = {};
    for (let level = 0; level < 20; level += 1) deep = { deep };
    const unreadable = Object.defineProperty({}, 'trap', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    const stored = [
      { password: 'x' },
      { text: 'x'.repeat(70_000) },
      { list: Array.from({ length: 300 }, String) },
      Object.fromEntries(Array.from({ length: FACT_LIMITS.keys + 3 }, (_, key) => [`k${key}`, key])),
      circular,
      { deep },
      { unreadable },
      { bytes: Buffer.from('abc') },
    ].map((facts) => canonicalJson(flattenFacts(facts, createSecretKeyTest())));
    const marks = format.section('Marks').table('Mark');
    expect(marks).toHaveLength(stored.length + 1);
    stored.forEach((json, index) => expect(json).toContain(`${marks[index]![0]}"`));
    expect(safeText('\r', 100)).toBe(marks.at(-1)![0]);
  });

  it('of limits', () => {
    const section = format.section('Limits');
    const facts = ['string', 'key', 'keys', 'items', 'depth', 'bytes'] as const;
    expect(section.table('What').map(([what, limit]) => [what, Number(limit)])).toEqual([
      ...Object.entries(TEXT_LIMITS),
      ...facts.map((name, index) => [
        section.table('What').slice(-facts.length)[index]![0],
        FACT_LIMITS[name],
      ]),
    ]);
    expect([...facts].sort()).toEqual(Object.keys(FACT_LIMITS).sort());
  });

  it('of what can go wrong', () => {
    const section = format.section('What went wrong while an event was made');
    const named = codeWords(section.text).filter((word) => word.startsWith('resolve.'));
    expect(named.sort()).toEqual(
      Object.keys(DEFAULT_RESOLVERS)
        .map((name) => `resolve.${name}`)
        .sort(),
    );
  });

  it('of secret keys', () => {
    const section = privacy.section('Secret keys').text;
    const [, anywhere = '', words = ''] = section.split(
      /Secret wherever.*:\n|Secret as a whole word[^]*?:\n/,
    );
    expect(codeWords(anywhere)).toEqual(SECRET_PARTS);
    expect(codeWords(words.split('\nMore by')[0]!)).toEqual([...SECRET_WORDS]);
  });

  it('of filters', () => {
    const known = getMetadataStorage().getTargetValidationMetadatas(AuditQueryDto, '', false, false);
    const said = querying.section('Find').table('Property');
    const names = said.flatMap(([cell]) => codeWords(cell!).concat(/^\w+$/.test(cell!) ? [cell!] : []));
    expect([...names].sort()).toEqual([...new Set(known.map(({ propertyName }) => propertyName))].sort());
    expect(said.find(([cell]) => cell === 'limit')![1]).toBe(
      `Events on a page, 1 to ${MAX_LIMIT}, by default ${DEFAULT_LIMIT}.`,
    );
  });

  it('of the status', () => {
    // A property too many or too few does not compile.
    const every: Record<keyof AuditStatus, true> = {
      mode: true,
      healthy: true,
      pending: true,
      pendingBytes: true,
      oldestPendingMs: true,
      delivered: true,
      retried: true,
      dead: true,
      dropped: true,
      unreadable: true,
      lastError: true,
      journalError: true,
      unhooked: true,
    };
    const rows = Page.read('docs/operate/hardening.md').section('Monitoring').table('Property');
    expect(rows.map(([name]) => name)).toEqual(Object.keys(every));
  });

  it('of lines and points of the journal', () => {
    const kinds = journal.section('Lines').table('Kind');
    expect(kinds.map(([kind]) => kind)).toEqual(unionIn('src/journal/journal-line.ts', 'LineKind'));
    const points = journal.section('Diagnostics').table('Point');
    expect(points.flatMap(([cell]) => (cell!.includes('`') ? codeWords(cell!) : [cell]))).toEqual(
      unionIn('src/journal/life.ts', 'JournalPoint'),
    );
    const [example] = journal.section('Lines').blocks('text');
    const lines = example!.code.trim().split('\n');
    expect(lines.map((line) => decodeLine(Buffer.from(line))?.kind)).toEqual(
      lines.map((line) => line.split(' ')[1]),
    );
    const found = lines.map((line) => decodeLine(Buffer.from(line))!);
    expect(found.map(({ kind, number }) => `${kind} ${number}`)).toEqual([
      'segment 1',
      'intent 1',
      'event 1',
      'intent 3',
    ]);
    const { metadata } = found[2]!.content as AuditLogEvent;
    expect(found[2]!.reference).toBe(metadata['sequence']);
  });

  it('of the scenarios of the fault suite', () => {
    const folder = 'test/faults/scenarios';
    const suite = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    const rows = Page.read('test/faults/README.md').table('Scenario');
    const missing = rows.filter(([part]) => !suite.some((source) => source.includes(part!)));
    expect(missing).toEqual([]);
    expect(rows.length).toBeGreaterThan(5);
  });

  it('of indexes', () => {
    const rows = Page.read('docs/operate/scaling.md').table('Index');
    expect(
      rows.map(([name, columns]) => [name, codeWords(`\`${columns}\``.replace(/^`+|`+$/g, '`'))]),
    ).toEqual(Object.entries(EVENT_INDEXES).map(([name, columns]) => [`audit_events_${name}`, [...columns]]));
  });
});

/** A request that ended with the status, or before it was sent. */
function recordOf(request: CapturedRequest, status: number | undefined): RequestRecord {
  const response = { headersSent: status !== undefined, statusCode: status } as ServerResponse;
  return new RequestRecord(request, response);
}
