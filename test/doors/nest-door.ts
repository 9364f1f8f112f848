import {
  Catch,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Inject,
  Injectable,
  Module,
  Optional,
  Param,
  ParseIntPipe,
  Post,
  Put,
  Redirect,
  Req,
  Res,
  StreamableFile,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import type {
  ArgumentsHost,
  CanActivate,
  ExceptionFilter,
  ExecutionContext,
  INestApplication,
  NestInterceptor,
  Type,
} from '@nestjs/common';
import { APP_GUARD, HttpAdapterHost, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { Audit, AuditModule, AuditService, NoAudit } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';
import * as app from './door.js';
import type { Door, User } from './door.js';

interface UsersRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  user?: User | undefined;
}

/** Express's own, or Fastify's. */
type Reply = ServerResponse & { readonly raw?: ServerResponse; hijack?(): void };

@Injectable()
class Authenticate implements CanActivate {
  constructor(private readonly shared: app.Shared) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<UsersRequest>();
    request.user = app.userOf(request.headers['authorization']);
    if (request.headers['x-wait']) await this.shared.gate.pass();
    return true;
  }
}

function Need(role?: string): Type<CanActivate> {
  class NeedGuard implements CanActivate {
    canActivate(context: ExecutionContext): boolean {
      app.need(context.switchToHttp().getRequest<UsersRequest>().user, role);
      return true;
    }
  }
  return NeedGuard;
}

@Audit({ resource: 'invoice' })
@Controller('invoices')
class InvoicesController {
  constructor(@Optional() private readonly audit?: AuditService) {}

  @Get() list() {
    return [{ id: '1' }];
  }

  @Post() @Header('location', '/invoices/99') create() {
    return { id: '99' };
  }

  @Get(':id') read(@Param('id') id: string) {
    return { id };
  }

  @Put(':id') update(@Param('id') id: string) {
    this.audit?.annotate(app.CHANGE);
    return { id };
  }

  @Delete(':id') @HttpCode(204) remove() {}

  @Post(':id/approve')
  @HttpCode(200)
  @Audit({ severity: 'high', details: { step: 'second', password: 'planted' } })
  approve() {
    this.audit?.annotate({ details: { amount: 12 } });
    return { approved: true };
  }

  @Post(':id/pay')
  @HttpCode(200)
  @UseGuards(Need('approver'))
  @Audit({ details: ({ result }) => ({ amount: result.amount }) })
  pay() {
    return { amount: 99 };
  }

  @Get(':id/denied') denied() {
    this.audit?.deny('not the approver');
    throw new app.Refusal(403, 'denied');
  }

  @Get(':id/hidden') hidden() {
    this.audit?.deny('of another department');
    return {};
  }
}

@Controller()
class OthersController {
  constructor(@Optional() private readonly audit?: AuditService) {}

  @Get('secrets') @UseGuards(Need()) @Audit({ resource: 'secret', action: 'secret.list' }) secrets() {
    return [];
  }

  @Post('batches') @HttpCode(207) @Audit({ resource: 'batch', action: 'batch.create' }) batch() {
    return { failed: 1 };
  }

  @Get('numbers/:number') @Audit({ resource: 'number', action: 'number.read' }) number(
    @Param('number', ParseIntPipe) _number: number,
  ) {
    return {};
  }

  @Post('sessions') @HttpCode(200) @Audit({ resource: 'session' }) login() {
    this.audit?.annotate(app.LOGIN);
    return {};
  }

  @Post('sessions/end') @HttpCode(200) @Audit({ resource: 'session', action: 'session.end' }) logout(
    @Req() request: UsersRequest,
  ) {
    request.user = undefined;
    return {};
  }

  @Post('resets/:token') @HttpCode(200) @Audit({ resource: 'reset', action: 'reset.post' }) reset() {
    return {};
  }

  @Get('annotations/hostile')
  @Audit({ resource: 'annotation', action: 'annotation.hostile' })
  hostile() {
    this.audit?.annotate(app.HOSTILE);
    return {};
  }

  @Get('annotations/failing')
  @Audit({
    resource: 'annotation',
    action: 'annotation.failing',
    details: () => {
      throw new Error('details');
    },
    outcome: () => 'ok' as 'success',
  })
  failing() {
    return {};
  }

  @Get('reports') @Audit({ resource: 'report', action: 'report.list' }) reports() {
    return new StreamableFile(Readable.from(app.pages(3)));
  }

  @Get('reports/:id/broken') @Audit({ resource: 'report', action: 'report.broken' }) broken() {
    return new StreamableFile(Readable.from(app.brokenPages()));
  }

  @Get('redirects')
  @Redirect('/reports')
  @Audit({ resource: 'redirect', action: 'redirect.list' })
  redirect() {}

  @Get('health') @NoAudit() health() {
    return { up: true };
  }

  @Get('api/v2/payments/:id') @Audit({ resource: 'payment', action: 'payment.read' }) payment(
    @Param('id') id: string,
  ) {
    return { id };
  }
}

class FailingInterceptor implements NestInterceptor {
  intercept(): Observable<unknown> {
    return throwError(() => new TypeError('failed on the way'));
  }
}

@Catch(RangeError)
class RangeErrorFilter implements ExceptionFilter {
  constructor(private readonly host: HttpAdapterHost) {}

  catch(_error: RangeError, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const status = http.getRequest<{ method: string }>().method === 'POST' ? 202 : 418;
    this.host.httpAdapter.reply(http.getResponse(), { teapot: true }, status);
  }
}

@Controller('faults')
class FaultsController {
  @Get('circular') @Audit('fault.circular') circular() {
    return app.circular();
  }

  @Get('between') @UseInterceptors(FailingInterceptor) @Audit('fault.between') between() {
    return {};
  }

  @Get('teapot') @UseFilters(RangeErrorFilter) @Audit('fault.teapot') teapot() {
    throw new RangeError('out of range');
  }

  @Post('accepted') @UseFilters(RangeErrorFilter) @Audit('fault.accepted') accepted() {
    throw new RangeError('out of range');
  }

  @Get(':id') fault(@Param('id') id: string) {
    throw app.FAULTS[id]!();
  }
}

@Controller('raw')
class RawController {
  constructor(private readonly shared: app.Shared) {}

  @Get(':id') answer(@Param('id') id: string, @Res() reply: Reply) {
    reply.hijack?.();
    void app.RAW[id]!(reply.raw ?? reply, this.shared);
  }
}

/** @param strict what its strict route says; nothing without a journal */
function thingsController(strict: Parameters<typeof Audit>[0]): Type {
  @Controller('things')
  class ThingsController {
    constructor(@Inject(app.Shared) private readonly shared: app.Shared) {}

    @Get('headed')
    @Header('etag', '"e"')
    @Header('set-cookie', 'session=1')
    @Header('x-app', 'yes')
    @Audit('thing.headed')
    async headed() {
      await this.shared.gate.pass();
      return {};
    }

    @Get(':id') read(@Param('id') id: string) {
      return this.handle(id);
    }

    @Post(':id') @HttpCode(200) @Audit('thing.post') change(@Param('id') id: string) {
      return this.handle(id);
    }

    @Post('strict/:id') @HttpCode(200) @Audit(strict) strict(@Param('id') id: string) {
      return this.handle(id);
    }

    @Post('silent/:id') @HttpCode(200) @NoAudit() silent(@Param('id') id: string) {
      return this.handle(id);
    }

    private handle(id: string) {
      this.shared.handled.push(id);
      return { id };
    }
  }
  return ThingsController;
}

function moduleOf(options: AuditModuleOptions | undefined, shared: app.Shared): Type {
  const strict = app.strictOf(options);
  @Module({
    imports: options ? [AuditModule.forRoot(options)] : [],
    controllers: [
      InvoicesController,
      OthersController,
      FaultsController,
      RawController,
      thingsController(strict),
    ],
    providers: [
      { provide: app.Shared, useValue: shared },
      { provide: APP_GUARD, useClass: Authenticate },
    ],
  })
  class RootModule {}
  return RootModule;
}

const settings = { logger: false, forceCloseConnections: true, abortOnError: false } as const;

export const nestExpressDoor = doorOf('Nest on Express', async (module) => {
  const application = await NestFactory.create<NestExpressApplication>(module, {
    ...settings,
    bodyParser: false,
  });
  application.useBodyParser('json', { limit: app.BODY_LIMIT });
  return application;
});

export const nestFastifyDoor = doorOf('Nest on Fastify', (module) =>
  NestFactory.create(module, new FastifyAdapter({ bodyLimit: app.BODY_LIMIT }), settings),
);

function doorOf(name: string, create: (module: Type) => Promise<INestApplication>): Door {
  return {
    name,
    async start(options) {
      const shared = new app.Shared();
      const application = await create(moduleOf(options, shared));
      await application.listen(0, '127.0.0.1');
      const audit = options && application.get(AuditService);
      return Object.assign(shared, {
        url: await application.getUrl(),
        audit,
        events: () => app.allOf(audit!),
        close: () => application.close(),
      });
    },
  };
}
