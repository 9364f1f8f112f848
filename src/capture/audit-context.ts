import { AsyncLocalStorage } from 'node:async_hooks';
import type { AuditActor, RequestRecord } from './request-record.js';

/** What is known wherever code runs: the open request, and the actor that `runAs` names. */
export interface AuditContext {
  readonly record?: RequestRecord;
  readonly actor?: AuditActor;
}

const storage = new AsyncLocalStorage<AuditContext>();

export function currentContext(): AuditContext | undefined {
  return storage.getStore();
}

export function runInContext<T>(context: AuditContext, run: () => T): T {
  return storage.run(context, run);
}
