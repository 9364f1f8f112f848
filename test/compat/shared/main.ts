import { NestFactory } from '@nestjs/core';
import { AuditModule } from 'nest-audit-trail';
import { AppModule } from './app.module.js';

/** The application as it is deployed: started by `node dist/main.js`, stopped by a signal. */
async function bootstrap(): Promise<void> {
  const audit = AuditModule.forRoot({
    database: { type: 'better-sqlite3', database: 'audit.sqlite' },
    // Longer than the program runs: what is found afterwards was stored when it ended. A directory of its own: what the tests
    // before left in theirs belongs to other databases.
    delivery: { flushIntervalMs: 60_000, directory: 'deployed-journal' },
  });
  const app = await NestFactory.create(AppModule.with({ database: 'app.sqlite', audit }));
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  console.log(`listening at ${await app.getUrl()}`);
}

void bootstrap();
