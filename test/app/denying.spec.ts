// What an application refuses itself, and says so in one line: in a guard, in a handler, or where there is nothing to refuse.
import 'reflect-metadata';
import { Body, Controller, ForbiddenException, Get, Module, Post, UseGuards } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AddressInfo } from 'node:net';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { ApproversGuard } from '../support/approvers-guard.js';
import { send } from '../support/http-client.js';

@Controller('invoices')
class InvoicesController {
  constructor(private readonly audit: AuditService) {}

  @Post('guarded') @UseGuards(ApproversGuard) guarded() {
    return {};
  }

  @Post('thrown') thrown(): never {
    this.audit.annotate({ details: { amount: 7 } });
    this.audit.deny('more than the limit, password=planted');
    throw new ForbiddenException();
  }

  /** Answered as if there were none, so that nobody learns that there is one. */
  @Get('hidden') hidden() {
    return { denied: this.audit.deny('of another department') };
  }

  @Post('changed') changed(@Body() { reason }: { reason: unknown }) {
    this.audit.deny(reason as string);
    return {};
  }
}

@Module({
  imports: [AuditModule.forRoot({ database: { type: 'better-sqlite3', database: ':memory:' } })],
  controllers: [InvoicesController],
})
class DenyingModule {}

describe('what an application refuses by deny()', () => {
  let app: INestApplication;
  let audit: AuditService;
  let port: number;

  beforeAll(async () => {
    app = await NestFactory.create(DenyingModule, { logger: false });
    await app.listen(0, '127.0.0.1');
    audit = app.get(AuditService);
    ({ port } = app.getHttpServer().address() as AddressInfo);
  });

  afterAll(() => app?.close());

  async function eventOf(method: string, path: string, body?: string): Promise<AuditLogEvent> {
    await send(port, { method, path, ...(body !== undefined && { body }) });
    await audit.flush();
    const { events } = await audit.find({ allTenants: true, limit: 1 });
    return events[0]!;
  }

  it('in a guard is a failed authorization with its reason', async () => {
    expect(await eventOf('POST', '/invoices/guarded')).toMatchObject({
      outcome: 'failure',
      category: 'authorization',
      details: { reason: 'not an approver' },
      metadata: { statusCode: 403 },
    });
  });

  it('in a handler is one as well, redacted as all that is said, and leaves the rest as it is', async () => {
    const { outcome, category, details } = await eventOf('POST', '/invoices/thrown');
    expect([outcome, category]).toEqual(['failure', 'authorization']);
    expect(details).toEqual({ amount: 7, reason: expect.stringMatching(/^more than the limit, password=/) });
    expect(JSON.stringify(details)).not.toContain('planted');
  });

  it('is one whatever the status is', async () => {
    expect(await eventOf('GET', '/invoices/hidden')).toMatchObject({
      outcome: 'failure',
      category: 'authorization',
      details: { reason: 'of another department' },
      metadata: { statusCode: 200 },
    });
  });

  it('never fails for what a client sends as the reason', async () => {
    for (const reason of [null, 7, { deep: ['x'] }, 'a'.repeat(100_000)]) {
      expect(await eventOf('POST', '/invoices/changed', JSON.stringify({ reason }))).toMatchObject({
        outcome: 'failure',
        category: 'authorization',
        metadata: { statusCode: 201 },
      });
    }
  });

  it('is nothing outside of a request', () => {
    expect(audit.deny('nobody asked')).toBe(false);
  });
});
