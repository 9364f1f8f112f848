// An application in a process of its own, on the built package, for what can only be shown by ending the process, and
// for packages that can't be loaded beside the tests. Options come as JSON in the first argument; the port is told on standard output.
import { started } from './threads.js';
import 'reflect-metadata';
import { Controller, Get, Module, Param, Post, Res, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import type { AddressInfo } from 'node:net';
import { onExit } from 'signal-exit';
import { Audit, AuditModule, NoAudit } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';

const { audit, shutdown } = JSON.parse(process.argv[2] ?? '{}') as {
  audit: AuditModuleOptions;
  /** Who ends the process at a signal; the library where nobody else does. */
  shutdown?: 'hooks' | 'own' | 'polite';
};

@Audit()
@Controller('things')
class ThingsController {
  @Get('limited') @UseGuards(ThrottlerGuard) limited() {
    return {};
  }

  /** How many threads were started until now. */
  @Get('threads') @NoAudit() threads() {
    return { started: started.length };
  }

  /** Ends the newest, as a crash of it would. */
  @Post('end-thread') @NoAudit() async endThread() {
    await started.at(-1)?.terminate();
    return {};
  }

  @Post(':id') create(@Param('id') id: string) {
    return { id };
  }

  /** Tells that it began, and never answers. */
  @Get('never') never(@Res() response: { writeProcessing(): void }): void {
    response.writeProcessing();
  }
}

@Module({
  imports: [AuditModule.forRoot(audit), ThrottlerModule.forRoot([{ ttl: 60_000, limit: 1 }])],
  controllers: [ThingsController],
})
class ServedModule {}

const app = await NestFactory.create(ServedModule, { logger: ['error', 'warn'] });
if (shutdown === 'hooks') app.enableShutdownHooks();
// As many packages do, to clean up after themselves.
if (shutdown === 'polite') onExit(() => undefined);
if (shutdown === 'own') {
  process.once('SIGTERM', () => {
    void app.close().then(() => process.exit(7));
  });
}
await app.listen(0, '127.0.0.1');
process.stdout.write(`${(app.getHttpServer().address() as AddressInfo).port}\n`);
