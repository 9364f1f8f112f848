// A Nest application in a process of its own, on the built package, for what can only be shown by ending the process, and
// for packages that can't be loaded beside the tests. Options come as JSON in the first argument; the port is told on standard output.
import 'reflect-metadata';
import { Controller, Get, Module, Param, Post, Res, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import type { AddressInfo } from 'node:net';
import { Audit, AuditModule } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';

const { audit, shutdown } = JSON.parse(process.argv[2] ?? '{}') as {
  audit: AuditModuleOptions;
  /** Who ends the process at a signal; the library where nobody else does. */
  shutdown?: 'hooks' | 'own';
};

interface Hanging {
  /** Tells the client that the request has begun. */
  writeProcessing(): void;
}

class HangingGuard implements CanActivate {
  canActivate(context: ExecutionContext): Promise<boolean> {
    context.switchToHttp().getResponse<Hanging>().writeProcessing();
    return new Promise(() => undefined);
  }
}

@Audit()
@Controller('things')
class ThingsController {
  @Get('limited') @UseGuards(ThrottlerGuard) limited() {
    return {};
  }

  @Post(':id') create(@Param('id') id: string) {
    return { id };
  }

  /** Tells that it began, and never answers. */
  @Get('never') never(@Res() response: Hanging): void {
    response.writeProcessing();
  }

  /** Likewise. */
  @Post('never/:id') neverDone(@Res() response: Hanging): void {
    response.writeProcessing();
  }

  @Post('guarded/:id') @UseGuards(HangingGuard) guarded(): void {
    throw new Error('No guard lets a request through.');
  }
}

@Module({
  imports: [AuditModule.forRoot(audit), ThrottlerModule.forRoot([{ ttl: 60_000, limit: 1 }])],
  controllers: [ThingsController],
})
class ServedModule {}

const app = await NestFactory.create(ServedModule, { logger: ['error', 'warn'] });
if (shutdown === 'hooks') app.enableShutdownHooks();
if (shutdown === 'own') {
  process.once('SIGTERM', () => {
    void app.close().then(() => process.exit(7));
  });
}
// What no route takes: one that waits, and one under which nothing else runs any more.
app.use('/plain/waits', (_request: unknown, response: Hanging) => response.writeProcessing());
app.use('/plain/blocks', (_request: unknown, response: Hanging) => {
  response.writeProcessing();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
await app.listen(0, '127.0.0.1');
process.stdout.write(`${(app.getHttpServer().address() as AddressInfo).port}\n`);
