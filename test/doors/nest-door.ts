import {
  Controller,
  Delete,
  ForbiddenException,
  Get,
  Header,
  HttpCode,
  Injectable,
  Module,
  Param,
  Post,
  Put,
  Redirect,
  Res,
  StreamableFile,
  UnauthorizedException,
  Req,
} from '@nestjs/common';
import type { CanActivate, ExecutionContext, INestApplication } from '@nestjs/common';
import { APP_GUARD, ModuleRef, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { Audit, AuditModule, AuditService, NoAudit } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { allOf, BODY_LIMIT, brokenPages, fail, pages, userOf } from './door.js';
import type { Door } from './door.js';

@Injectable()
class Authenticate implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    Object.assign(request, { user: userOf(request.headers.authorization) });
    return true;
  }
}

@Audit({ resource: 'invoice' })
@Controller('invoices')
class InvoicesController {
  private readonly audit: AuditService | undefined;

  constructor(moduleRef: ModuleRef) {
    try {
      this.audit = moduleRef.get(AuditService, { strict: false });
    } catch {
      // The application without the audit.
    }
  }

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
    return { id };
  }

  @Delete(':id') @HttpCode(204) remove() {}

  @Post(':id/approve') @HttpCode(200) @Audit({ severity: 'high', details: { step: 'second' } }) approve() {
    this.audit?.annotate({ details: { amount: 12 } });
    return { approved: true };
  }

  @Get(':id/fail') fail() {
    fail();
  }

  @Get(':id/denied') denied() {
    this.audit?.deny('not the approver');
    throw new ForbiddenException();
  }
}

@Controller()
class OthersController {
  @Get('secrets') @Audit('secret.list') secrets(@Req() request: { user?: unknown }) {
    if (!request.user) throw new UnauthorizedException();
    return [];
  }

  @Get('reports') @Audit({ resource: 'report', action: 'report.list' }) reports() {
    return new StreamableFile(Readable.from(pages(3)));
  }

  @Get('reports/:id/broken') @Audit({ resource: 'report', action: 'report.broken' }) broken() {
    return new StreamableFile(Readable.from(brokenPages()));
  }

  @Get('reports/:id/slow') @Audit({ resource: 'report', action: 'report.slow' }) slow(
    @Res() reply: { raw?: ServerResponse; hijack?(): void },
  ) {
    reply.hijack?.();
    (reply.raw ?? (reply as ServerResponse)).write('begun');
  }

  @Get('redirects')
  @Redirect('/reports')
  @Audit({ resource: 'redirect', action: 'redirect.list' })
  redirect() {}

  @Get('health') @NoAudit() health() {
    return { up: true };
  }
}

function moduleOf(options: AuditModuleOptions | undefined) {
  @Module({
    imports: options ? [AuditModule.forRoot(options)] : [],
    controllers: [InvoicesController, OthersController],
    providers: [{ provide: APP_GUARD, useClass: Authenticate }],
  })
  class RootModule {}
  return RootModule;
}

const settings = { logger: false, forceCloseConnections: true, abortOnError: false } as const;

export const nestExpressDoor = doorOf('Nest on Express', async (module) => {
  const app = await NestFactory.create<NestExpressApplication>(module, { ...settings, bodyParser: false });
  app.useBodyParser('json', { limit: BODY_LIMIT });
  return app;
});

export const nestFastifyDoor = doorOf('Nest on Fastify', (module) =>
  NestFactory.create(module, new FastifyAdapter({ bodyLimit: BODY_LIMIT }), settings),
);

function doorOf(
  name: string,
  create: (module: ReturnType<typeof moduleOf>) => Promise<INestApplication>,
): Door {
  return {
    name,
    async start(options) {
      const app = await create(moduleOf(options));
      await app.listen(0, '127.0.0.1');
      return {
        url: await app.getUrl(),
        events: () => allOf(app.get(AuditService)),
        close: () => app.close(),
      };
    },
  };
}
