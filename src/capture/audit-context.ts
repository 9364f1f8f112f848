import { AsyncLocalStorage } from 'node:async_hooks';
import type { RequestRecord } from './request-record.js';

/** On whose behalf a job runs, see `AuditService.runAs`. */
export interface AuditActor {
  readonly tenantId?: string;
  readonly userId?: string;
  readonly sessionId?: string;
  /** For example `user`, `service`, `job`. Becomes `metadata.actorType`. */
  readonly actorType?: string;
  /** Who acts in the user's name. Becomes `metadata.impersonatorId`. */
  readonly impersonatorId?: string;
}

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
