import { FACT_LIMITS } from '../event/flatten.js';
import { safeText } from '../event/safe-text.js';
import { withinReach } from '../event/within-reach.js';
import type { AuditFacts } from '../event/audit-log-event.js';

/** What the capture itself says of a request in `metadata`, see `docs/format.md`. */
export interface CaptureFacts {
  readonly method: string;
  /** Without its query; no longer than is looked at. */
  readonly path: string;
  readonly route: string | undefined;
  readonly statusCode: number | undefined;
  readonly durationMs: number | undefined;
  readonly requestId: string;
  readonly traceId: string | undefined;
  readonly handler: string | undefined;
  readonly errorName: string | undefined;
  readonly stage: string | undefined;
  readonly actorType: string | undefined;
  readonly impersonatorId: string | undefined;
  readonly roles: readonly string[] | undefined;
  readonly blockedBy: string | undefined;
  readonly aborted: boolean;
  readonly interrupted: boolean;
  readonly withheld: boolean;
  readonly stageErrors: ReadonlySet<string> | undefined;
}

/**
 * The same as a flat record within its bounds, but for what others can say: that is cut when no secret is in it any more. Key by key, since an object that grows by computed keys is kept as a hash
 * table by V8, and is then slower to copy and to write than all of this.
 */
export function ownFacts(said: CaptureFacts): AuditFacts {
  const facts: AuditFacts = { method: safe(said.method), path: said.path };
  if (said.route !== undefined) facts['route'] = safe(said.route);
  // An application may set what it likes; Node then sends a number all the same.
  if (said.statusCode !== undefined) facts['statusCode'] = Number(said.statusCode) || 0;
  if (said.durationMs !== undefined) facts['durationMs'] = said.durationMs;
  facts['requestId'] = safe(said.requestId);
  if (said.traceId !== undefined) facts['traceId'] = said.traceId;
  if (said.handler !== undefined) facts['handler'] = safe(said.handler);
  if (said.errorName !== undefined) facts['errorName'] = safe(said.errorName);
  if (said.stage !== undefined) facts['stage'] = said.stage;
  if (said.actorType !== undefined) facts['actorType'] = seen(said.actorType);
  if (said.impersonatorId !== undefined) facts['impersonatorId'] = seen(said.impersonatorId);
  if (said.roles?.length) facts['roles'] = said.roles.map(safe);
  if (said.blockedBy !== undefined) facts['blockedBy'] = safe(said.blockedBy);
  if (said.aborted) facts['aborted'] = true;
  if (said.interrupted) facts['interrupted'] = true;
  if (said.withheld) facts['withheld'] = true;
  if (said.stageErrors) facts['stageErrors'] = [...said.stageErrors];
  return facts;
}

function safe(text: string): string {
  return safeText(text, FACT_LIMITS.string);
}

function seen(text: string): string {
  return withinReach(text, FACT_LIMITS.string);
}
