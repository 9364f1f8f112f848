// The application as a process of its own, which a test kills: with the database and the folder of the environment.
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../src/app.module';
import { AppAuditModule } from '../src/audit.module';
import { setUp } from '../src/set-up';

void (async () => {
  const app = await NestFactory.create(AppModule.with([AppAuditModule]));
  setUp(app);
  await app.listen(0, '127.0.0.1');
  process.stdout.write(`listening on ${await app.getUrl()}\n`);
})();
