// A vocabulary of actions: on routes of each door, in events, queries and rules, in the compiler, and in the list for an auditor.
import 'reflect-metadata';
import { Controller, Module, Post } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import express from 'express';
import fastify from 'fastify';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Audit, AuditModule, AuditService, defineAuditActions } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { auditTrail, audited } from 'nest-audit-trail/express';
import { auditTrail as fastifyTrail } from 'nest-audit-trail/fastify';
import { complianceRules } from 'nest-audit-trail/rules';
import { run } from '../../src/cli/program.js';
import { send } from '../support/http-client.js';

const actions = defineAuditActions({
  invoiceRefund: {
    action: 'invoice.refund',
    resource: 'invoice',
    severity: 'high',
    category: 'compliance',
    description: 'Money goes back to a customer.',
    details: { amount: 'number', note: 'string?' },
  },
  periodClose: { action: 'period.close' },
});

const IN_MEMORY = { type: 'better-sqlite3', database: ':memory:' } as const;
const REFUND = { action: 'invoice.refund', resource: 'invoice', severity: 'high', category: 'compliance' };

@Controller('payments')
class PaymentsController {
  @Post('refund') @Audit(actions.invoiceRefund) refund() {
    return {};
  }

  @Post('refund/:id')
  @Audit(
    actions.invoiceRefund.route({ severity: 'low', details: ({ result }) => ({ amount: result.amount }) }),
  )
  refundOne() {
    return { amount: 7 };
  }
}

@Module({
  imports: [
    AuditModule.forRoot({
      database: IN_MEMORY,
      features: [
        complianceRules({
          rules: [
            {
              id: 'refunds',
              name: 'Refunds',
              category: 'compliance',
              severity: 'high',
              conditions: { field: 'action', operator: 'equals', value: actions.invoiceRefund.action },
            },
          ],
        }),
      ],
    }),
  ],
  controllers: [PaymentsController],
})
class PaymentsModule {}

describe('a vocabulary of actions', () => {
  let app: INestApplication;
  let audit: AuditService;
  let port: number;

  beforeAll(async () => {
    app = await NestFactory.create(PaymentsModule, { logger: false });
    await app.listen(0, '127.0.0.1');
    audit = app.get(AuditService);
    ({ port } = app.getHttpServer().address() as AddressInfo);
  });
  afterAll(() => app?.close());

  async function lastOf(service: AuditService): Promise<AuditLogEvent> {
    await service.flush();
    return (await service.find({ allTenants: true, limit: 1 })).events[0]!;
  }

  it('names the requests of a handler, and rules know it', async () => {
    await send(port, { method: 'POST', path: '/payments/refund' });
    expect(await lastOf(audit)).toMatchObject({ ...REFUND, complianceFlags: ['refunds'] });
  });

  it('takes more options of a route', async () => {
    await send(port, { method: 'POST', path: '/payments/refund/17' });
    expect(await lastOf(audit)).toMatchObject({
      ...REFUND,
      severity: 'low',
      resourceId: '17',
      details: { amount: 7 },
    });
  });

  it('makes events, which are found by it', async () => {
    await audit.record(actions.periodClose({ tenantId: 'acme' }));
    const refund = actions.invoiceRefund({ tenantId: 'acme', resourceId: '18', details: { amount: 120 } });
    const { id } = await audit.record(refund);
    await audit.flush();
    const { events } = await audit.find({ tenantId: 'acme', action: actions.invoiceRefund.action });
    expect(events).toEqual([expect.objectContaining({ ...REFUND, id, details: { amount: 120 } })]);
  });

  it('names the requests of a route of Express', async () => {
    const trail = auditTrail({ database: IN_MEMORY });
    const plain = express();
    plain.use(trail);
    plain.post('/refund', audited(actions.invoiceRefund), (_request, response) => void response.json({}));
    const server: Server = plain.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    await send((server.address() as AddressInfo).port, { method: 'POST', path: '/refund' });
    expect(await lastOf(trail.service)).toMatchObject(REFUND);
    await new Promise((resolve) => server.close(resolve));
    await trail.close();
  });

  it('names the requests of a route of Fastify', async () => {
    const plain = fastify();
    await plain.register(fastifyTrail, { database: IN_MEMORY });
    plain.post('/refund', { config: { audit: actions.invoiceRefund } }, async () => ({}));
    await plain.inject({ method: 'POST', url: '/refund' });
    expect(await lastOf(plain.audit.service)).toMatchObject(REFUND);
    await plain.close();
  });

  it('does not compile where an action, a detail or a definition is wrong', () => {
    const wrong = () => {
      // @ts-expect-error there is no such action
      Audit(actions.invoiceRefunded);
      // @ts-expect-error the amount is a number
      actions.invoiceRefund({ details: { amount: '120' } });
      // @ts-expect-error the amount is missing
      actions.invoiceRefund({ details: {} });
      // @ts-expect-error the details are missing
      actions.invoiceRefund();
      // @ts-expect-error there is no such detail
      actions.invoiceRefund({ details: { amount: 1, amounts: 2 } });
      // @ts-expect-error the amount is a number
      actions.invoiceRefund.route({ details: () => ({ amount: '120' }) });
      // @ts-expect-error there is no such severity
      defineAuditActions({ one: { action: 'a.b', severity: 'hihg' } });
      // @ts-expect-error there is no such type of a detail
      defineAuditActions({ one: { action: 'a.b', details: { at: 'date' } } });
      // @ts-expect-error there is no such property
      defineAuditActions({ one: { action: 'a.b', detials: { at: 'string' } } });
    };
    expect(wrong).toBeTypeOf('function');
  });

  describe('is listed by nest-audit actions', () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'audit-actions-'));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    async function list(code: string, ...args: string[]) {
      // A module is loaded once.
      const file = join(folder, `${randomUUID()}.mjs`);
      writeFileSync(file, code);
      let [out, err] = ['', ''];
      const exit = await run(['actions', file, ...args], {
        stdout: { write: (text) => (out += text) },
        stderr: { write: (text) => (err += text) },
      });
      return { exit, out, err };
    }
    const LIBRARY = JSON.stringify(new URL('../../dist/esm/index.js', import.meta.url).href);

    it('sorted, with what each means', async () => {
      const code = `import { defineAuditActions } from ${LIBRARY};
        export const unrelated = { nothing: null };
        export const actions = defineAuditActions({
          refund: { action: 'invoice.refund', severity: 'high', description: 'Money goes back.', details: { amount: 'number', note: 'string?' } },
          approve: { action: 'invoice.approve' },
        });
        export const { approve } = actions;`;
      expect(await list(code)).toEqual({
        exit: 0,
        out: 'invoice.approve\ninvoice.refund\n  severity: high\n  details: amount: number, note: string?\n  description: Money goes back.\n',
        err: '',
      });
      const { out } = await list(code, '--json');
      expect(JSON.parse(out)).toMatchObject([
        { action: 'invoice.approve' },
        { details: { amount: 'number' } },
      ]);
    });

    it('or says what is wrong with the module', async () => {
      expect(await list('export const none = 1;')).toMatchObject({
        exit: 2,
        out: '',
        err: expect.stringContaining('exports no actions'),
      });
      expect(await list('throw new Error("not today")')).toMatchObject({
        exit: 2,
        err: expect.stringContaining('not today'),
      });
    });
  });
});
