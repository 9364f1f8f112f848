// An application for policies: users with roles and tenants, answers of every shape, and handlers that wait.
import 'reflect-metadata';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpException,
  Injectable,
  Module,
  Param,
  Post,
  Req,
  StreamableFile,
  UseInterceptors,
} from '@nestjs/common';
import type {
  CallHandler,
  CanActivate,
  ExecutionContext,
  INestApplication,
  MiddlewareConsumer,
  NestInterceptor,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import express from 'express';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { map } from 'rxjs';
import type { Observable } from 'rxjs';
import { Audit, AuditModule, AuditService, NoAudit } from 'nest-audit-trail';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { Gate } from './things-app.js';
import { readUser } from './user-header.js';

interface PaidRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  user?: unknown;
  tenant?: unknown;
  id?: string;
}

/** An entity that says itself what of it is public. */
class Account {
  readonly id = 'A-1';
  readonly owner = 'ann';
  readonly balance = 1_200;
  readonly notes = 'internal';

  toJSON(): object {
    return { id: this.id, owner: this.owner, balance: this.balance, apiKey: 'k-1' };
  }
}

/** Fails when the handler has returned. */
class BreakingInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      map(() => {
        throw new TypeError('broken');
      }),
    );
  }
}

export interface PolicyApp {
  readonly audit: AuditService;
  readonly port: number;
  readonly app: INestApplication;
  /** The ids that handlers ran for. */
  readonly handled: string[];
  readonly gate: Gate;
  /** All that is stored, in the order of ids. */
  events(): Promise<AuditLogEvent[]>;
  close(): Promise<void>;
}

/** @param configure what must be set before there is a router */
export async function startPolicyApp(
  options: AuditModuleOptions,
  configure: (application: express.Express) => void = () => undefined,
): Promise<PolicyApp> {
  const handled: string[] = [];
  const gate = new Gate();

  @Injectable()
  class UserGuard implements CanActivate {
    constructor(private readonly audit: AuditService) {}

    async canActivate(context: ExecutionContext): Promise<boolean> {
      const request = context.switchToHttp().getRequest<PaidRequest>();
      const { 'x-wait': wait, 'x-refuse': refuse, 'x-tenant': tenant } = request.headers;
      if (wait === 'guard') await gate.pass();
      request.user = readUser(request);
      if (tenant !== undefined) {
        // As two guards: the first records something, and the second knows the tenant.
        await this.audit.record({ action: 'guard.check' });
        request.tenant = tenant;
      }
      return refuse === undefined;
    }
  }

  @Controller('payments')
  class PaymentsController {
    constructor(private readonly audit: AuditService) {}

    @Get() list() {
      return [
        { id: 'P-1', amount: 10, iban: 'DE1' },
        { id: 'P-2', amount: 20, iban: 'DE2' },
      ];
    }

    @Get(':id') read(@Param('id') id: string) {
      handled.push(id);
      return { id, amount: 10, payee: { name: 'Zoë', iban: 'DE1' } };
    }

    @Post() @Audit({ body: ['amount'], details: () => ({ approver: 'ann' }) }) pay(@Body() body: object) {
      handled.push('paid');
      this.audit.annotate({ details: { note: 'annotated' } });
      return { id: 'P-3', ...body };
    }

    @Post('slow/:id') async slow(@Param('id') id: string) {
      handled.push(id);
      await gate.pass();
      return { id };
    }

    @Post('failing') failing(): never {
      throw new HttpException('no', 500);
    }

    @Post('end') @HttpCode(200) end(@Req() request: PaidRequest) {
      request.user = undefined;
      return {};
    }

    @Post('become/:id') become(@Req() request: PaidRequest, @Param('id') id: string) {
      request.user = { id };
      return {};
    }

    @Post('move/:id') move(@Req() request: PaidRequest, @Param('id') tenantId: string) {
      Object.assign(request.user as object, { tenantId });
      return { tenantId };
    }

    @Post('named/:id') named(@Req() request: PaidRequest, @Param('id') id: string) {
      request.id = id;
      return {};
    }

    @Post('login/:id') login(@Param('id') id: string) {
      this.audit.annotate({ userId: id, tenantId: 'sandbox' });
      return {};
    }
  }

  @Controller('answers')
  class AnswersController {
    @Get('entity') entity() {
      return new Account();
    }

    @Get('text') text() {
      return 'just text';
    }

    @Get('file') file() {
      return new StreamableFile(Readable.from(['id,amount\n', '1,100\n']));
    }

    @Get('broken') @UseInterceptors(BreakingInterceptor) broken() {
      return { id: 'unsent' };
    }

    @Get('bytes') bytes() {
      return Buffer.from('bytes');
    }

    @Get('many') many() {
      return Array.from({ length: 1_000 }, (_, index) => ({ id: index }));
    }
  }

  @Controller('health')
  class HealthController {
    @Get() check() {
      return { up: true };
    }

    @Post() @HttpCode(200) reset() {
      return {};
    }

    @Get('silent') @NoAudit() silent() {
      handled.push('silent');
      return {};
    }
  }

  /** What an attacker would like to reach under another's name. */
  @Controller()
  class WideController {
    @Post(':action') any(@Param('action') action: string) {
      handled.push(action);
      return { action };
    }
  }

  @Module({
    imports: [AuditModule.forRoot(options)],
    controllers: [PaymentsController, AnswersController, HealthController, WideController],
    providers: [{ provide: APP_GUARD, useClass: UserGuard }],
  })
  class PolicyModule {
    configure(consumer: MiddlewareConsumer): void {
      consumer
        .apply((request: PaidRequest, _response: unknown, next: () => void) =>
          request.headers['x-wait'] === 'middleware' ? void gate.pass().then(next) : next(),
        )
        .forRoutes('*path');
    }
  }

  const application = express();
  configure(application);
  const adapter = new ExpressAdapter(application);
  const app = await NestFactory.create(PolicyModule, adapter, { logger: false, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const audit = app.get(AuditService);
  return {
    app,
    audit,
    port: (app.getHttpServer().address() as AddressInfo).port,
    handled,
    gate,
    async events() {
      await audit.flush();
      const events: AuditLogEvent[] = [];
      for await (const event of audit.stream({ allTenants: true, order: 'oldest' })) events.push(event);
      return events;
    },
    close: () => app.close(),
  };
}

/** A rule that refuses a payment of more than 1,000. */
export const NO_LARGE_PAYMENT = {
  id: 'large-payment',
  name: 'Large payments',
  category: 'compliance',
  severity: 'high',
  conditions: { field: 'details.body.amount', operator: 'greater_than', value: 1_000 },
  actions: ['block'],
} as const;
