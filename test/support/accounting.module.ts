// The application that the capture suites audit: one route for every way in which a request can end.
import {
  BadRequestException,
  Body,
  CanActivate,
  Catch,
  Controller,
  Delete,
  ExecutionContext,
  ForbiddenException,
  Get,
  Header,
  HttpCode,
  HttpException,
  Injectable,
  MethodNotAllowedException,
  Module,
  NotFoundException,
  Param,
  ParseIntPipe,
  Post,
  Put,
  Query,
  Redirect,
  Req,
  RequestTimeoutException,
  Res,
  Sse,
  StreamableFile,
  UnauthorizedException,
  UseFilters,
  UseInterceptors,
  Version,
} from '@nestjs/common';
import type { ArgumentsHost, CallHandler, ExceptionFilter, NestInterceptor } from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import { IsInt, IsString } from 'class-validator';
import type { Request, Response } from 'express';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Observable, of, throwError, timeout, TimeoutError } from 'rxjs';
import { Audit, AuditService, NoAudit } from 'nest-audit-trail';

/** Which role a route asks for; none for any user. */
const NeedsUser = Reflector.createDecorator<string>();

/** Who a bearer token names: `user:tenant:session:role`. */
export function bearer(
  user: string,
  tenant = 'acme',
  session = 's-1',
  role = 'clerk',
): Record<string, string> {
  return { authorization: `Bearer ${user}:${tenant}:${session}:${role}` };
}

/** The application's own global guard, registered before the audit's. Sets `request.user` as late as guards do. */
@Injectable()
class AuthGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request & { user?: unknown; session?: unknown }>();
    const role = this.reflector.getAllAndOverride(NeedsUser, [context.getHandler(), context.getClass()]);
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!token) {
      if (role !== undefined) throw new UnauthorizedException();
      return true;
    }
    await Promise.resolve();
    const [id, tenantId, sid, actual] = token.split(':');
    request.user = { id, tenantId, sid, may: actual };
    return role === undefined || typeof role !== 'string' || role === actual;
  }
}

class InvoiceDto {
  @IsString() customer!: string;
  @IsInt() amount!: number;
}

@Audit()
@Controller('invoices')
class InvoicesController {
  constructor(private readonly audit: AuditService) {}

  @Get() list() {
    return [{ id: 'a' }, { id: 'b' }];
  }

  @Get(':id') read(@Param('id') id: string) {
    if (id === 'missing') throw new NotFoundException('no such invoice');
    return { id, amount: 120 };
  }

  @Post() create(@Body() invoice: InvoiceDto) {
    return { id: 4711, ...invoice };
  }

  @Put(':id') @NeedsUser('clerk') update(@Param('id') id: string, @Body() body: { amount: number }) {
    this.audit.annotate({ details: { changes: { amount: { before: 1, after: body.amount } } } });
    return { id, changed: true };
  }

  @Delete(':id') @HttpCode(204) remove(): void {}

  @Get(':id/document') @Redirect('/elsewhere', 302) document(): void {}

  @Post(':id/approve')
  @NeedsUser('approver')
  @Audit({
    action: 'invoice.approve',
    severity: 'high',
    details: ({ result }) => ({ amount: result.amount, password: 'hunter2' }),
  })
  approve(@Param('id') id: string) {
    return { id, amount: 99 };
  }

  @Post('batch') @HttpCode(207) batch() {
    return { done: 1, failed: 1 };
  }
}

@Catch(RangeError)
class RangeErrorFilter implements ExceptionFilter {
  catch(_error: RangeError, host: ArgumentsHost): void {
    host.switchToHttp().getResponse<Response>().status(418).json({ teapot: true });
  }
}

class FailingInterceptor implements NestInterceptor {
  intercept(): Observable<unknown> {
    return throwError(() => new TypeError('interceptor failed'));
  }
}

class ImpatientInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return new Observable((subscriber) =>
      next
        .handle()
        .pipe(timeout(20))
        .subscribe({
          next: (value) => subscriber.next(value),
          complete: () => subscriber.complete(),
          error: (error: unknown) =>
            subscriber.error(error instanceof TimeoutError ? new RequestTimeoutException() : error),
        }),
    );
  }
}

class EnvelopeInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return new Observable((subscriber) =>
      next.handle().subscribe({
        next: (data) => subscriber.next({ data }),
        complete: () => subscriber.complete(),
        error: (error: unknown) => subscriber.error(error),
      }),
    );
  }
}

@Controller('faults')
class FaultsController {
  @Get('error') error(): never {
    throw new Error('database password is hunter2');
  }

  @Get('string') thrownString(): never {
    // eslint-disable-next-line no-throw-literal -- applications do
    throw 'a string';
  }

  @Get('interceptor') @UseInterceptors(FailingInterceptor) interceptor() {
    return {};
  }

  @Get('pipe/:number') pipe(@Param('number', ParseIntPipe) number: number) {
    return { number };
  }

  @Get('filter') @UseFilters(RangeErrorFilter) filter(): never {
    throw new RangeError('out of range');
  }

  @Get('serialisation') serialisation() {
    const circular: Record<string, unknown> = { name: 'circular' };
    circular['self'] = circular;
    return circular;
  }

  @Get('timeout') @UseInterceptors(ImpatientInterceptor) timeout() {
    return new Promise(() => undefined);
  }

  @Get('method') method(): never {
    throw new MethodNotAllowedException();
  }

  @Get('forbidden') forbidden(): never {
    throw new ForbiddenException();
  }

  @Post('accepted-late') late(): never {
    throw new HttpException({ accepted: true }, 202);
  }

  @Post('bad') bad(): never {
    throw new BadRequestException();
  }

  @Get('protected') @NeedsUser('clerk') protected() {
    return { secret: true };
  }

  @Get('admin') @NeedsUser('admin') admin() {
    return { secret: true };
  }

  /** Never answers: the client goes away first. Tells the suite that the handler runs by its header. */
  @Get('never') never(@Res() response: Response): void {
    response.writeProcessing();
  }
}

@Controller('streams')
class StreamsController {
  @Get('file') @Header('content-type', 'text/csv') file(): StreamableFile {
    return new StreamableFile(Readable.from(['id,amount\n', '1,100\n']));
  }

  @Get('endless') endless(): StreamableFile {
    async function* rows() {
      for (;;) {
        yield 'x'.repeat(1_024);
        await delay(1);
      }
    }
    return new StreamableFile(Readable.from(rows()));
  }

  @Get('broken') broken(): StreamableFile {
    async function* rows() {
      yield 'x'.repeat(1_024);
      await delay(1);
      throw new RangeError('disk gone');
    }
    return new StreamableFile(Readable.from(rows()));
  }

  @Get('destroyed') destroyed(@Res() response: Response): void {
    response.write('half', () => response.destroy(new RangeError('gave up')));
  }

  @Sse('events') events(): Observable<{ data: string }> {
    return of({ data: 'one' }, { data: 'two' }, { data: 'three' });
  }

  @Get('manual') manual(@Res() response: Response): void {
    response.status(203).send('by hand');
  }

  @Get('session') session(@Req() request: Request, @Query('page') page: string) {
    return { page, ip: request.ip };
  }
}

@Controller('sessions')
class SessionsController {
  constructor(private readonly audit: AuditService) {}

  @Post() create(@Body() body: { user: string }) {
    this.audit.annotate({
      userId: body.user,
      tenantId: 'acme',
      action: 'session.login',
      category: 'authentication',
    });
    return { token: 'jwt.secret.token' };
  }

  @Post('end') @HttpCode(200) logout(@Req() request: Request & { user?: unknown }) {
    request.user = undefined;
    return {};
  }

  @Get('enveloped') @UseInterceptors(EnvelopeInterceptor) enveloped() {
    return { id: 'inner-id' };
  }
}

@Controller('reset')
class ResetController {
  @Post(':token') @HttpCode(200) reset() {
    return {};
  }
}

@Controller({ path: 'versioned', version: '2' })
class VersionedController {
  @Get() @Version('2') list() {
    return [];
  }
}

@Controller('health')
class HealthController {
  @Get() check() {
    return { up: true };
  }

  @Get('silent') @NoAudit() silent() {
    return { up: true };
  }
}

@Module({ providers: [{ provide: APP_GUARD, useClass: AuthGuard }] })
export class AuthModule {}

@Module({
  controllers: [
    InvoicesController,
    FaultsController,
    StreamsController,
    SessionsController,
    ResetController,
    VersionedController,
    HealthController,
  ],
})
export class AccountingModule {}
