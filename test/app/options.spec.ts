// Wrong options fail at start, with the sentence that mends them.
import 'reflect-metadata';
import { Controller, Get, Injectable, Module } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { Audit, AuditError, AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditModuleOptions, AuditOptionsFactory, AuditRouteOptions } from 'nest-audit-trail';
import { detection } from 'nest-audit-trail/detection';
import { listeners } from 'nest-audit-trail/listeners';
import { policy } from 'nest-audit-trail/policy';
import { risk } from 'nest-audit-trail/risk';
import { complianceRules } from 'nest-audit-trail/rules';

const MEMORY: AuditModuleOptions = { database: { type: 'better-sqlite3', database: ':memory:' } };

async function startOf(module: Type): Promise<unknown> {
  try {
    const app = await NestFactory.create(module, { logger: false, abortOnError: false });
    await app.init();
    await app.close();
    return 'started';
  } catch (error) {
    return error;
  }
}

function rootWith(
  imports: NonNullable<Parameters<typeof Module>[0]['imports']>,
  controllers: Type[] = [],
): Type {
  @Module({ imports, controllers })
  class Root {}
  return Root;
}

describe('options', () => {
  it.each<[field: string, options: unknown, sentence: string]>([
    [
      'database.type',
      { database: { type: 'sqlite', database: 'x' } },
      `The audit option database.type is "sqlite": write one of 'better-sqlite3', 'mysql', 'mariadb', 'postgres'.`,
    ],
    [
      'database.url',
      { database: { type: 'mysql', url: undefined } },
      'The audit option database.url is undefined: write a URL such as mysql://user:password@host:3306/audit. Is the environment variable that it comes from set?',
    ],
    [
      'database.database',
      { database: { type: 'better-sqlite3' } },
      "The audit option database.database is undefined: write the path of the SQLite file, 'audit.sqlite'.",
    ],
    [
      'dataSource',
      { ...MEMORY, dataSource: 'default' },
      "The audit option dataSource and database exclude each other: write database for a connection of its own, or dataSource to share the application's.",
    ],
    [
      'dataSource',
      { dataSource: 'default' },
      `The audit option dataSource is "default", but the application has no such data source: import TypeOrmModule.forRoot({ … }), pass the DataSource itself, or write database for a connection of the audit's own.`,
    ],
    [
      'capture.requests',
      { ...MEMORY, capture: { requests: 'some' } },
      `The audit option capture.requests is "some": write 'all' or 'annotated'.`,
    ],
    [
      'capture.resolve.user',
      { ...MEMORY, capture: { resolve: { user: 'id' } } },
      'The audit option capture.resolve.user is "id": write a function of the request.',
    ],
    [
      'capture.resolve.users',
      { ...MEMORY, capture: { resolve: { users: () => 1 } } },
      'There is no audit option "capture.resolve.users". The options here are user, tenant, session, ip, actorType, impersonator, roles.',
    ],
    [
      'delivery.batchSize',
      { ...MEMORY, delivery: { batchSize: 0 } },
      'The audit option delivery.batchSize is 0: write an integer from 1 to 5000.',
    ],
    [
      'delivery.mode',
      { ...MEMORY, delivery: { mode: 'safe' } },
      `The audit option delivery.mode is "safe": write 'buffered' or 'durable' or 'strict'.`,
    ],
    [
      'redaction.keys',
      { ...MEMORY, redaction: { keys: 'taxNumber' } },
      `The audit option redaction.keys is "taxNumber": write a list of key names, ['taxNumber'].`,
    ],
    [
      'service.name',
      { ...MEMORY, service: { version: '1' } },
      "The audit option service.name is missing: write the program's name, 'billing-api'.",
    ],
    [
      'captur',
      { ...MEMORY, captur: {} },
      'There is no audit option "captur". The options here are database, dataSource, migrate, capture, risk, features, delivery, ledger, redaction, service.',
    ],
    [
      'policy[0].level',
      { ...MEMORY, features: [policy([{ level: 'all' as never }])] },
      expect.stringContaining("write 'none' or 'metadata'"),
    ],
    [
      'policy',
      { ...MEMORY, features: [policy()] },
      "The audit option policy is an object: write a list of rules, [{ level: 'none', match: { path: '/health' } }], or { file: 'audit-policy.json' }.",
    ],
    [
      'policy',
      { ...MEMORY, policy: [{ level: 'none' }] },
      "The audit option policy is a feature: write features: [policy([ … ])], with import { policy } from 'nest-audit-trail/policy'.",
    ],
    ...['compliance', 'complianceRules'].map((field): [string, unknown, string] => [
      field,
      { ...MEMORY, [field]: { packs: ['sox'] } },
      `The audit option ${field} is a feature: write features: [complianceRules({ … })], with import { complianceRules } from 'nest-audit-trail/rules'.`,
    ]),
    [
      'risk.weights.severity.high',
      { ...MEMORY, risk: { weights: { severity: { high: 5 } } } },
      expect.stringContaining('risk.weights.severity'),
    ],
    [
      'complianceRules.rules[0].conditions.operator',
      {
        ...MEMORY,
        features: [
          complianceRules({
            rules: [
              {
                id: 'a',
                name: 'A',
                category: 'system',
                severity: 'low',
                conditions: { field: 'action', operator: 'is' as never, value: 'b' },
              },
            ],
          }),
        ],
      },
      expect.stringContaining('operator'),
    ],
    [
      'complianceRules.rules[0].actions[0]',
      {
        ...MEMORY,
        features: [
          complianceRules({
            rules: [
              {
                id: 'a',
                name: 'A',
                category: 'system',
                severity: 'low',
                conditions: { field: 'action', operator: 'equals', value: 'b' },
                actions: ['alert'],
              },
            ],
          }),
        ],
      },
      expect.stringContaining('alert'),
    ],
    [
      'detection.bruteForce.threshold',
      { ...MEMORY, features: [detection({ bruteForce: { threshold: 0 } })] },
      'The audit option detection.bruteForce.threshold is 0: write an integer from 2 to 1000.',
    ],
    [
      'detection',
      { ...MEMORY, detection: {} } as AuditModuleOptions,
      "The audit option detection is a feature: write features: [detection({ … })], with import { detection } from 'nest-audit-trail/detection'.",
    ],
    [
      'risk.businessHours.from',
      { ...MEMORY, features: [risk({ businessHours: { timeZone: 'UTC', from: '8', to: '18:00' } })] },
      `The audit option risk.businessHours.from is "8": write hours and minutes, '08:00'.`,
    ],
    ...(
      [
        ['riskContext', { riskContext: {} }, '{ … }'],
        ['risk.businessHours', { risk: { businessHours: undefined } }, '{ businessHours: … }'],
        ['risk.burst', { risk: { burst: { events: 3, seconds: 1 } } }, '{ burst: … }'],
        ['risk.scorer', { risk: { scorer: () => 1 } }, '{ scorer: … }'],
        ['risk.weights.newDevice', { risk: { weights: { newDevice: 0 } } }, '{ weights: { newDevice: … } }'],
      ] as const
    ).map(([field, options, call]): [string, unknown, string] => [
      field,
      { ...MEMORY, ...options },
      `The audit option ${field} is a feature: write features: [risk(${call})], with import { risk } from 'nest-audit-trail/risk'.`,
    ]),
    [
      'auditReads',
      { ...MEMORY, auditReads: false } as AuditModuleOptions,
      "The audit option auditReads is a feature: write features: [access()], with import { access } from 'nest-audit-trail/access'.",
    ],
    [
      'features',
      { ...MEMORY, features: [detection(), detection()] },
      expect.stringContaining('write a list of features, each once'),
    ],
    [
      'metrics',
      { ...MEMORY, metrics: true } as AuditModuleOptions,
      "The audit option metrics is a feature: write features: [metrics()], with import { metrics } from 'nest-audit-trail/metrics'.",
    ],
    ['migrate', { ...MEMORY, migrate: 'yes' }, 'The audit option migrate is "yes": write true or false.'],
    [
      '',
      [],
      'The audit options are a list: write AuditModule.forRoot({ … }), AuditModule.forRoot() for the defaults, or let the factory of forRootAsync() return an object.',
    ],
  ])('refuses a wrong %s', async (field, options, sentence) => {
    const error = await startOf(rootWith([AuditModule.forRoot(options as AuditModuleOptions)]));
    expect(error).toBeInstanceOf(AuditError);
    expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field, message: sentence });
  });

  it.each<[field: string, said: object]>([
    ['severity', { severity: 'huge' }],
    ['category', { category: 'money' }],
    ['action', { action: '' }],
    ['details', { details: 'amount' }],
    ['outcome', { outcome: 'success' }],
    ['query', { query: 'page' }],
    ['sevrity', { sevrity: 'high' }],
  ])('refuses a wrong %s of @Audit(), naming the handler', async (field, said) => {
    @Controller('wrong')
    class WrongController {
      @Get() @Audit(said as AuditRouteOptions) list() {}
    }
    const error = await startOf(rootWith([AuditModule.forRoot(MEMORY)], [WrongController]));
    expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field });
    expect((error as Error).message).toContain('@Audit() of WrongController.list');
  });

  it('refuses a data source of another kind', async () => {
    const dataSource = new DataSource({ type: 'mongodb', driver: {} } as DataSourceOptions);
    const error = await startOf(
      rootWith([AuditModule.forRoot({ dataSource, delivery: { mode: 'buffered' } })]),
    );
    expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field: 'dataSource' });
    expect((error as Error).message).toContain('a data source of type "mongodb"');
  });

  it.each([
    ['an import without forRoot()', () => rootWith([AuditModule])],
    [
      'a factory that returns nothing',
      () => rootWith([AuditModule.forRootAsync({ useFactory: () => undefined as never })]),
    ],
  ])('refuses %s', async (_what, module) => {
    const error = await startOf(module());
    expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS' });
    expect((error as Error).message).toContain(
      'The audit options are undefined: write AuditModule.forRoot({ … })',
    );
  });

  it('refuses to be imported twice', async () => {
    const twice = rootWith([AuditModule.forRoot(MEMORY), AuditModule.forRoot({ ...MEMORY, migrate: true })]);
    expect(await startOf(twice)).toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      message: 'AuditModule.forRoot() is imported twice: import it once, in the root module; it is global.',
    });
  });

  it.each<[how: string, module: () => Type]>([
    [
      'useFactory',
      () => rootWith([AuditModule.forRootAsync({ useFactory: async () => Promise.resolve(MEMORY) })]),
    ],
    [
      'useClass',
      () => {
        @Injectable()
        class Options implements AuditOptionsFactory {
          createAuditOptions() {
            return MEMORY;
          }
        }
        return rootWith([AuditModule.forRootAsync({ useClass: Options })]);
      },
    ],
    [
      'inject',
      () => {
        @Module({ providers: [{ provide: 'FILE', useValue: ':memory:' }], exports: ['FILE'] })
        class ConfigModule {}
        return rootWith([
          AuditModule.forRootAsync({
            imports: [ConfigModule],
            inject: ['FILE'],
            useFactory: (file: string) => ({ database: { type: 'better-sqlite3', database: file } }),
          }),
        ]);
      },
    ],
    [
      'useExisting',
      () => {
        @Injectable()
        class Options implements AuditOptionsFactory {
          createAuditOptions() {
            return MEMORY;
          }
        }
        @Module({ providers: [Options], exports: [Options] })
        class ConfigModule {}
        return rootWith([AuditModule.forRootAsync({ imports: [ConfigModule], useExisting: Options })]);
      },
    ],
    [
      'useFactory, with those of features',
      () =>
        rootWith([
          AuditModule.forRootAsync({
            features: [detection, risk],
            useFactory: () => ({
              ...MEMORY,
              detection: { maxKeys: 100 },
              risk: { weights: { privilegedRole: 20 } },
              riskContext: { weights: { burst: 20 } },
            }),
          }),
        ]),
    ],
  ])('takes options by %s', async (_how, module) => {
    const app = await NestFactory.createApplicationContext(module(), { logger: false, abortOnError: false });
    const event = await app.get(AuditService).record({ action: 'app.start' });
    await app.get(AuditService).flush();
    expect(await app.get(AuditService).findById(event.id, { allTenants: true })).toEqual(event);
    await app.close();
  });

  it.each([
    ['detection.maxKeys', { detection: { maxKeys: 1 } }],
    ['complianceRules.packs[0]', { complianceRules: { packs: ['sarbanes' as never] } }],
    ['policy[0].level', { policy: [{ level: 'all' as never }] }],
    ['risk.weights.burst', { riskContext: { weights: { burst: 101 } } }],
    // Of the core, which has an option of this name too.
    ['risk.weights.privilegedRole', { risk: { weights: { privilegedRole: 101 } } }],
  ])('checks the option %s that a factory answers beside features', async (field, options) => {
    const root = rootWith([
      AuditModule.forRootAsync({
        features: [complianceRules, detection, policy, risk],
        useFactory: () => ({ ...MEMORY, policy: [], ...options }),
      }),
    ]);
    await expect(
      NestFactory.createApplicationContext(root, { logger: false, abortOnError: false }),
    ).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field });
  });

  it('refuses features that a factory answers and that are no list', async () => {
    const root = rootWith([
      AuditModule.forRootAsync({
        features: [detection],
        useFactory: () => ({ ...MEMORY, features: 5 as never }),
      }),
    ]);
    await expect(
      NestFactory.createApplicationContext(root, { logger: false, abortOnError: false }),
    ).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field: 'features' });
  });

  it('refuses a feature from a factory that comes too late for its own providers', async () => {
    const root = rootWith([
      AuditModule.forRootAsync({ useFactory: () => ({ ...MEMORY, features: [listeners()] }) }),
    ]);
    await expect(
      NestFactory.createApplicationContext(root, { logger: false, abortOnError: false }),
    ).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field: 'features' });
  });

  it('checks options of an async factory too', async () => {
    const error = await startOf(
      rootWith([AuditModule.forRootAsync({ useFactory: () => ({ migrat: true }) as AuditModuleOptions })]),
    );
    expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field: 'migrat' });
  });
});
