import assert from 'node:assert/strict';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { AuditError, AuditModule } from 'nest-audit-trail';
import type { AuditModuleOptions, AuditOptionsFactory } from 'nest-audit-trail';
import { RunningApp } from '../running-app.js';
import type { RunOptions } from '../running-app.js';
import { assertSame } from './assert-same.js';
import type { Scenario } from './scenario.js';

@Injectable()
class Settings implements AuditOptionsFactory {
  createAuditOptions(): AuditModuleOptions {
    return { dataSource: 'default', service: { name: 'invoicing' } };
  }
}

@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

/** One request is one event of the service that the settings name. */
function isConfigured(options: RunOptions): () => Promise<void> {
  return () =>
    RunningApp.use({ keeping: 'shared data source', ...options }, async (app) => {
      await app.request('GET', '/invoices', { user: 'alice@acme' });
      await app.audit.flush();
      const [event, ...others] = await app.stored();
      assertSame(others, []);
      assert.ok(event);
      assert.equal(event.action, 'invoice.list');
      assert.equal((JSON.parse(event.metadata) as { service?: string }).service, 'invoicing');
    });
}

const settings = { audit: () => AuditModule.forRoot(new Settings().createAuditOptions()) };

/** Every way to give the options, and to make the application. */
export const configurationScenarios: readonly Scenario[] = [
  {
    name: 'forRootAsync with useFactory',
    run: isConfigured({
      audit: () =>
        AuditModule.forRootAsync({
          imports: [SettingsModule],
          inject: [Settings],
          useFactory: async (given: Settings) => given.createAuditOptions(),
        }),
    }),
  },
  {
    name: 'forRootAsync with useClass',
    run: isConfigured({ audit: () => AuditModule.forRootAsync({ useClass: Settings }) }),
  },
  {
    name: 'AuditModule before TypeOrmModule',
    run: isConfigured({ ...settings, auditFirst: true }),
  },
  {
    name: 'an application of a testing module',
    run: isConfigured({
      ...settings,
      create: async (module) => {
        const testing = await Test.createTestingModule({ imports: [module] }).compile();
        return testing.createNestApplication();
      },
    }),
  },
  {
    name: 'wrong options stop the start with an AuditError',
    run: async () => {
      const audit = AuditModule.forRoot({ capture: { requests: 'some' as 'all' } });
      await assert.rejects(
        NestFactory.create(audit, { logger: false, abortOnError: false }),
        (error) => error instanceof AuditError && error.code === 'AUDIT_INVALID_OPTIONS',
      );
    },
  },
  {
    name: 'a data source that the application does not have stops the start with an AuditError',
    run: () =>
      assert.rejects(
        RunningApp.use(
          { audit: () => AuditModule.forRoot({ dataSource: 'reporting' }) },
          async () => undefined,
        ),
        (error) => error instanceof AuditError && error.message.includes('"reporting"'),
      ),
  },
];
