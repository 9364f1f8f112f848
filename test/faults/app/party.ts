// One of many processes on one database, by the first argument: a `writer` records events, and notes in a file what it
// was told is safe; a `sealer` seals; an `auditor` seals the rest, verifies, and prints the result.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';

const { role, audit, recorded, perSecond } = JSON.parse(process.argv[2] ?? '{}') as {
  role: 'writer' | 'sealer' | 'auditor';
  audit: AuditModuleOptions;
  /** A writer's file: the id of each event that it was told is recorded. */
  recorded?: string;
  perSecond?: number;
};

@Module({ imports: [AuditModule.forRoot(audit)] })
class PartyModule {}

const app = await NestFactory.createApplicationContext(PartyModule, {
  abortOnError: false,
  logger: ['warn', 'error'],
});
const service = app.get(AuditService);

let ends = false;
process.once('SIGTERM', () => {
  ends = true;
});
process.stdout.write('ready\n');

if (role === 'auditor') {
  await service.checkpoint();
  process.stdout.write(`${JSON.stringify(await service.verify())}\n`);
} else if (role === 'writer') {
  while (!ends) {
    const { id } = await service.record({ action: 'thing.create', userId: String(process.pid) });
    appendFileSync(recorded!, `${id}\n`);
    await delay(1_000 / perSecond!);
  }
  await service.flush();
} else {
  // The module seals by itself.
  while (!ends) await delay(50);
}
await app.close();
