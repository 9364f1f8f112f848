// The process that records events and stores rows: through `AuditService.record()`, and by the raw driver.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuditModule, AuditService } from 'nest-audit-trail';
import { answerQuestions } from './answers.mjs';
import { events as mixed } from './mixed-events.mjs';
import { RAW } from './raw-drivers.mjs';

/** As an importer does it: so many calls of `record()` at a time. */
const AT_ONCE = 500;

let context;
let audit;
let raw;

/** What an application says of an event; the library adds the rest. */
const SAID = ['tenantId', 'userId', 'action', 'resource', 'resourceId', 'details', 'ipAddress', 'userAgent'];
const inputs = mixed.map((event) => Object.fromEntries(SAID.map((name) => [name, event[name]])));

answerQuestions({
  /** @param options of the audit */
  async open(options) {
    class RootModule {}
    Module({ imports: [AuditModule.forRoot({ ...options })] })(RootModule);
    context = await NestFactory.createApplicationContext(RootModule, {
      abortOnError: false,
      logger: ['error'],
    });
    audit = context.get(AuditService);
  },

  /** @returns how many milliseconds it took until all were stored */
  async record(count) {
    const begun = performance.now();
    await recordAll(count);
    await audit.flush();
    return performance.now() - begun;
  },

  /** Records as fast as it can, whether the database is there or not. */
  recordOnly: (count) => recordAll(count),

  /** Answers once everything is stored. */
  async flush() {
    for (;;) {
      try {
        return await audit.flush();
      } catch {
        // It is tried again by itself.
      }
    }
  },

  /** Answers once what is stored is in the log. */
  seal: () => audit.checkpoint().then(() => undefined),

  /** What lives in the main thread's heap. */
  heapMiB() {
    setFlagsFromString('--expose-gc');
    runInNewContext('gc')();
    return process.memoryUsage().heapUsed / 2 ** 20;
  },

  pending: () => audit.status().pending,

  /** Prepares a table like the audit's, and the rows that are in it. */
  async openRaw({ database, count }) {
    raw = await RAW[database.type](database, count);
  },

  /** @returns how many milliseconds the rows took, in statements of so many */
  async insertRaw(size) {
    await raw.empty();
    const begun = performance.now();
    for (let from = 0; from < raw.rows.length; from += size)
      await raw.insert(raw.rows.slice(from, from + size));
    return performance.now() - begun;
  },

  async close() {
    await raw?.close();
    await context?.close();
  },
});

async function recordAll(count) {
  for (let from = 0; from < count; from += AT_ONCE) {
    const calls = [];
    for (let index = from; index < Math.min(count, from + AT_ONCE); index += 1) {
      calls.push(audit.record(inputs[index % inputs.length]));
    }
    await Promise.all(calls);
  }
}
