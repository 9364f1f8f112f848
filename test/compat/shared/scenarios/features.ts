import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AuditLogEvent } from 'nest-audit-trail';
import { access } from 'nest-audit-trail/access';
import { authentication, AuthenticationAudit } from 'nest-audit-trail/authentication';
import { detection } from 'nest-audit-trail/detection';
import { AuditHealthIndicator, health } from 'nest-audit-trail/health';
import { listeners, OnAuditEvent } from 'nest-audit-trail/listeners';
import { metrics } from 'nest-audit-trail/metrics';
import { AuditPolicy, policy } from 'nest-audit-trail/policy';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { risk } from 'nest-audit-trail/risk';
import { complianceRules, ComplianceRules } from 'nest-audit-trail/rules';
import { RunningApp } from '../running-app.js';
import type { Scenario } from './scenario.js';

/** Features, each from its own entry of the package. */
export const featureScenarios: readonly Scenario[] = [
  {
    name: 'features are imported from their sub-paths, and their services are injected',
    async run() {
      // It needs a package that is not installed here.
      assert.equal(metrics().name, 'metrics');
      const added = [
        access(),
        authentication(),
        complianceRules({ packs: ['pci-dss'] }),
        detection({ bruteForce: { threshold: 3, windowSeconds: 60 } }),
        health(),
        listeners(),
        policy([{ level: 'none', match: { path: '/silenced' } }]),
        retention({ rules: [{ keepDays: 365 }] }),
        protection({ fields: ['userAgent'], masterKey: randomBytes(32).toString('base64') }),
        risk({ burst: { events: 3, seconds: 60 } }),
      ];
      await RunningApp.use({ features: added }, async ({ app, audit }) => {
        const logins = app.get(AuthenticationAudit);
        for (let times = 0; times < 3; times += 1)
          await logins.record('login', { outcome: 'failure', account: 'ann', ipAddress: '192.0.2.7' });
        const [rule] = app.get(ComplianceRules).list();
        assert.match(String(rule?.id), /^pci-dss\./);
        await audit.record({ action: 'page.read', userId: 'bob', userAgent: 'Planted/1' });
        const { level } = app.get(AuditPolicy).explain({ method: 'GET', path: '/silenced' });
        assert.equal(level, 'none');
        const retained = app.get(AuditRetention);
        const hold = { tenantId: 'default', reason: 'case', placedBy: 'counsel' };
        const { id, reason } = await retained.placeHold(hold);
        assert.equal(reason, 'case');
        assert.equal((await retained.removeExpired()).removed, 0);
        await retained.liftHold(id, { reason: 'settled', liftedBy: 'counsel' });
        await audit.flush();
        const { events } = await audit.find({ tenantId: 'default', order: 'oldest' });
        assert.equal((await app.get(AuditHealthIndicator).isHealthy()).audit.status, 'up');
        await audit.flush();
        const reads = await audit.find({ tenantId: 'default', action: 'audit.read' });
        assert.equal(reads.events[0]?.details['method'], 'find');
        const failures = events.filter(({ action }) => action === 'authn_login_fail');
        assert.equal(failures.length, 3);
        assert.match(String(failures[2]?.metadata['riskFactors']), /burst:15/);
        const found = events.filter(({ action }) => action === 'detection.brute-force');
        // One machine that tries one account is one finding.
        assert.deepEqual(
          found.map(({ details }) => details['by']),
          ['address'],
        );
        const planted = { tenantId: 'default', userId: 'bob', action: 'page.read' };
        const shown = async (reveal: boolean) =>
          (await audit.find({ ...planted, reveal })).events[0]?.userAgent;
        assert.deepEqual([await shown(false), await shown(true)], ['[protected]', 'Planted/1']);
        await app.get(DataProtection).forget({ tenantId: 'default', subjectId: 'bob' });
        assert.equal(await shown(true), '[erased]');
      });
    },
  },
  {
    name: 'a method with @OnAuditEvent() is called',
    async run() {
      const heard: string[] = [];
      class Alarms {
        @OnAuditEvent({ action: 'page.*' }) hear({ action }: AuditLogEvent) {
          heard.push(action);
        }
      }
      const create = (module: DynamicModule) =>
        NestFactory.create(
          { ...module, providers: [...(module.providers ?? []), Alarms] },
          { logger: ['error', 'warn'], abortOnError: false },
        );
      await RunningApp.use({ features: [listeners()], create }, async ({ audit }) => {
        await audit.record({ action: 'page.read' });
        await audit.record({ action: 'book.read' });
      });
      assert.deepEqual(heard, ['page.read']);
    },
  },
];
