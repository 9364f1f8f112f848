// The same application on every platform, with the audit and without it: what its handlers have in common.
import { HttpException } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import type { AuditLogEvent, AuditModuleOptions, AuditService } from 'nest-audit-trail';
import { Gate } from '../support/things-app.js';

/** What the handlers of a running application share with its test. */
export class Shared {
  /** The ids that handlers of things ran for. */
  readonly handled: string[] = [];
  readonly gate = new Gate();
}

export interface RunningDoor extends Shared {
  readonly url: string;
  /** `undefined` without the audit. */
  readonly audit: AuditService | undefined;
  /** All events so far, oldest first; none without the audit. */
  events(): Promise<AuditLogEvent[]>;
  close(): Promise<void>;
}

export interface Door {
  readonly name: string;
  /** @param options of the audit; `undefined`: without it */
  start(options: AuditModuleOptions | undefined): Promise<RunningDoor>;
}

export interface User {
  readonly id: string;
  readonly tenantId: string;
  readonly sid: string;
  readonly roles: readonly string[];
}

/** Of `Authorization: Bearer <name>@<company>`: who acts. */
export function userOf(header: unknown): User | undefined {
  const [, id, tenantId] = /^Bearer (\w+)@(\w+)$/.exec(String(header)) ?? [];
  if (id === undefined || tenantId === undefined) return undefined;
  return { id, tenantId, sid: `session-${id}`, roles: [id === 'bob' ? 'approver' : 'clerk'] };
}

/** What the strict route says; nothing without a journal. */
export function strictOf(options: AuditModuleOptions | undefined): { readonly delivery?: 'strict' } {
  return options?.delivery?.mode === 'buffered' ? {} : { delivery: 'strict' };
}

/** Larger bodies are refused by 413. */
export const BODY_LIMIT = 1_000;

/** An error that each platform answers by its status: Nest knows the class, Express reads `status`, and Fastify `statusCode`. */
export class Refusal extends HttpException {
  readonly statusCode: number;

  constructor(status: number, message: string) {
    super(message, status);
    this.statusCode = status;
  }
}

/** @throws Refusal where the user may not do what takes the role; without a role: where there is no user */
export function need(user: User | undefined, role?: string): void {
  if (!user) throw new Refusal(401, 'who are you?');
  if (role !== undefined && !user.roles.includes(role)) throw new Refusal(403, `this takes the role ${role}`);
}

/** What handlers throw, by the last part of the path. */
export const FAULTS: Readonly<Record<string, () => unknown>> = {
  error: () => new TypeError('the handler failed'),
  string: () => 'a string',
  missing: () => new Refusal(404, 'no such thing'),
  method: () => new Refusal(405, 'not by this method'),
  timeout: () => new Refusal(408, 'it took too long'),
  // Its code is a number.
  coded: () => new DOMException('given up', 'AbortError'),
};

/** What can't be sent as JSON. */
export function circular(): object {
  const value: { self?: object } = {};
  value.self = value;
  return value;
}

/** Handlers that answer by Node's own response, by the last part of the path. */
export const RAW: Readonly<Record<string, (response: ServerResponse, shared: Shared) => unknown>> = {
  manual(response) {
    response.writeHead(203, { 'content-type': 'text/plain' }).end('by hand');
  },
  async events(response) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for await (const page of pages(3)) response.write(`data: ${page}\n`);
    response.end();
  },
  slow(response) {
    response.write('begun');
  },
  never(response) {
    response.writeProcessing();
  },
  idle(response) {
    response.req.socket.setTimeout(10);
  },
  destroyed(response) {
    response.write('half', () => response.destroy(new RangeError('gave up')));
  },
  async streamed(response, { gate }) {
    response.write('first ');
    await gate.pass();
    response.end('last');
  },
  /** Goes on after its answer. */
  stubborn(response) {
    response.writeHead(201).end('first');
    try {
      response.setHeader('x-late', 'yes');
    } catch {
      // As Node would.
    }
    response.statusCode = 500;
    response.write('late');
    response.end('second');
  },
  /** Sends what Node refuses. */
  object(response) {
    try {
      response.end({ not: 'text' } as never);
    } catch {
      response.statusCode = 500;
      response.end('caught');
    }
  },
};

/** What is said of the change of an invoice. */
export const CHANGE = { details: { changes: { amount: { before: 1, after: 2 } } } };

/** What a login says of who it was. */
export const LOGIN = {
  userId: 'eve',
  tenantId: 'acme',
  action: 'session.login',
  category: 'authentication',
} as const;

/** What can't be stored. */
export const HOSTILE = {
  outcome: 'ok',
  userId: { toString: () => 7 },
  details: {
    get broken() {
      throw new Error('getter');
    },
    kept: 'yes',
  },
} as never;

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
