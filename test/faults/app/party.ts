// One of many processes on one database, by the first argument: a `writer` records events, and notes in a file what it
// was told is safe; a `sealer` seals; an `auditor` seals nothing, verifies until the sealers are done, and prints the result.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';

const {
  role,
  audit,
  recorded,
  perSecond,
  published = [],
} = JSON.parse(process.argv[2] ?? '{}') as {
  role: 'writer' | 'sealer' | 'auditor';
  audit: AuditModuleOptions;
  /** A writer's file: the id of each event that it was told is recorded. */
  recorded?: string;
  perSecond?: number;
  /** Of an auditor: the files to which the sealers have published. */
  published?: readonly string[];
};

const PATIENCE_MS = 90_000;

@Module({ imports: [AuditModule.forRoot({ ...audit })] })
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
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    // It is never wrong, also while the log grows.
    const result = await service.verify({ checkpoints: published.flatMap(notesOf) });
    if (result.ok && result.pending > 0 && performance.now() < until) {
      await delay(500);
      continue;
    }
    process.stdout.write(`${JSON.stringify(result)}\n`);
    break;
  }
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

/** What a process that was killed has not written to its end is passed over. */
function notesOf(file: string): string[] {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  return lines.flatMap((line) => {
    try {
      return [(JSON.parse(line) as { note: string }).note];
    } catch {
      return [];
    }
  });
}
