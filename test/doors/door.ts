// The same application on every platform, with the audit and without it.
import type { AuditLogEvent, AuditModuleOptions, AuditService } from 'nest-audit-trail';

export interface RunningDoor {
  readonly url: string;
  /** All events so far, oldest first; none without the audit. */
  events(): Promise<AuditLogEvent[]>;
  close(): Promise<void>;
}

export interface Door {
  readonly name: string;
  /** @param options of the audit; `undefined`: without it */
  start(options: AuditModuleOptions | undefined): Promise<RunningDoor>;
}

/** Of `Authorization: Bearer <name>`: who acts. */
export function userOf(header: unknown): object | undefined {
  const name = /^Bearer (\w+)@(\w+)$/.exec(String(header));
  return name ? { id: name[1], tenantId: name[2], sid: `session-${name[1]}`, roles: ['clerk'] } : undefined;
}

/** Larger bodies are refused by 413. */
export const BODY_LIMIT = 1_000;

/** Fails in the handler. */
export function fail(): never {
  throw new TypeError('the handler failed');
}

/** What is read page by page. */
export async function* pages(count: number): AsyncGenerator<string> {
  for (let page = 1; page <= count; page += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    yield `page ${page}\n`;
  }
}

export async function* brokenPages(): AsyncGenerator<string> {
  yield* pages(1);
  throw new RangeError('the source broke');
}

/** All events so far, oldest first. */
export async function allOf(audit: AuditService): Promise<AuditLogEvent[]> {
  await audit.flush();
  const events: AuditLogEvent[] = [];
  for await (const event of audit.stream({ allTenants: true, order: 'oldest' })) events.push(event);
  return events;
}
