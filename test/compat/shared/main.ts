import { NestFactory } from '@nestjs/core';
import { AuditModule } from 'nest-audit-trail';
import { databaseOptionsOf } from 'nest-audit-trail/typeorm';
import { AppModule } from './app.module.js';

/** The application as it is deployed: started by `node dist/main.js`, stopped by a signal. */
async function bootstrap(): Promise<void> {
  const url = process.env['AUDIT_DATABASE_URL'];
  const database = databaseOptionsOf(url ?? 'sqlite:audit.sqlite');
  const audit = AuditModule.forRoot({
    database,
    // A server's is migrated beforehand.
    migrate: url === undefined,
    // Longer than the program runs: what is found afterwards was stored when it ended. Each database has a directory of its
    // own: what is left in it belongs to that.
    delivery: { flushIntervalMs: 60_000, directory: `deployed-journal-${database.type}` },
  });
  const app = await NestFactory.create(AppModule.with({ databaseUrl: 'sqlite:app.sqlite', audit }));
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  console.log(`listening at ${await app.getUrl()}`);
}

void bootstrap();
