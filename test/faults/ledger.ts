// Compares what clients saw with what is stored: nothing missing, nothing twice, nothing that nobody sent.
import type { SentRequest } from './load.js';

export type Mode = 'buffered' | 'durable' | 'strict';

/** A row of the audit's table, as far as the ledger reads it. */
export interface StoredEvent {
  readonly id: string;
  readonly action: string;
  readonly resourceId: string | undefined;
  readonly outcome: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface Account {
  readonly mode: Mode;
  readonly requests: readonly SentRequest[];
  /** When the handler of each id ran, by the monotonic clock, milliseconds. */
  readonly ran: ReadonlyMap<string, number>;
  /** Ids of events that the application recorded by itself, and said so. */
  readonly recorded?: readonly string[];
}

/** Of a long list, what a person reads. */
const SHOWN = 12;

/** One sentence for each deviation; nothing where the table is as it must be. */
export function deviations(account: Account, events: readonly StoredEvent[]): string[] {
  const found: string[] = [];
  const byThing = new Map<string, StoredEvent[]>();
  for (const event of events) {
    // What the audit says of itself is of no request.
    if (event.action.startsWith('audit.')) continue;
    const thing = thingOf(event);
    const others = byThing.get(thing);
    if (others) others.push(event);
    else byThing.set(thing, [event]);
  }
  const ids = new Set<string>();
  for (const { id } of events) {
    if (ids.has(id)) found.push(`the event ${id} is stored twice`);
    ids.add(id);
  }
  for (const request of account.requests) {
    const own = byThing.get(request.id) ?? [];
    byThing.delete(request.id);
    const deviation = deviationOf(request, own, account);
    if (deviation) found.push(`${describe(request, account.ran)}: ${deviation}`);
  }
  for (const id of account.recorded ?? []) {
    const own = byThing.get(id) ?? [];
    byThing.delete(id);
    if (own.length !== 1) found.push(`${id} was recorded, and has ${own.length} events`);
  }
  for (const [id, own] of byThing) found.push(`nobody sent ${id}, which has ${own.map(show).join(' and ')}`);
  return found;
}

/** @throws Error with the first of the deviations */
export function expectLedger(account: Account, events: readonly StoredEvent[]): void {
  expectNothing(
    `The table is not what the clients saw (${account.requests.length} requests, ${events.length} events)`,
    deviations(account, events),
  );
}

/** @throws Error with the first of what is wrong */
export function expectNothing(what: string, wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  const shown = wrong.slice(0, SHOWN).map((line) => `  ${line}`);
  if (wrong.length > SHOWN) shown.push(`  … and ${wrong.length - SHOWN} more`);
  throw new Error(`${what}, ${wrong.length} times:\n${shown.join('\n')}`);
}

/** What the client saw of each request. */
export function described(requests: readonly SentRequest[], ran: ReadonlyMap<string, number>): string[] {
  return requests.map((request) => describe(request, ran));
}

function deviationOf(
  request: SentRequest,
  own: readonly StoredEvent[],
  account: Account,
): string | undefined {
  if (own.length > 1) return `has ${own.length} events: ${own.map(show).join(' and ')}`;
  const [event] = own;
  if (!event) return mustHaveEvent(request, account) ? 'has no event' : undefined;
  if (event.metadata['interrupted'] === true && event.outcome !== 'partial') {
    return `is interrupted, but not partial: ${show(event)}`;
  }
  if (!request.answered) return undefined;
  const status = event.metadata['statusCode'];
  if (status === request.status) return undefined;
  // Refused although its handler ran, since the event could not be stored in time: it says what the handler did.
  if (isRefusal(request) && account.ran.has(request.id) && status !== undefined) return undefined;
  return `has the event of another answer: ${show(event)}`;
}

function mustHaveEvent(request: SentRequest, { mode, ran }: Account): boolean {
  // The event is safe before the answer's last byte leaves.
  if (request.answered) return true;
  if (mode === 'buffered') return false;
  // An answer that was begun was at least announced to the journal.
  if (request.status !== undefined) return true;
  const isStrict = mode === 'strict' || request.kind === 'strict';
  const isUnsafe = request.kind !== 'read' && request.kind !== 'streamed';
  return ran.has(request.id) && (isStrict || isUnsafe);
}

/** Answered by the audit instead of the handler, or over it. */
export function isRefusal({ answered, status, code }: SentRequest): boolean {
  return answered === true && status === 503 && code === 'AUDIT_UNAVAILABLE';
}

/** By the route's parameter; of a request that did not come so far, by its path. */
function thingOf({ resourceId, metadata }: StoredEvent): string {
  return resourceId ?? /^\/things\/([^/]+)/.exec(String(metadata['path']))?.[1] ?? '?';
}

function describe(request: SentRequest, ran: ReadonlyMap<string, number>): string {
  const { id, kind, status, answered, code, error, sentAt, endedAt, connection } = request;
  const answer = answered ? `answered ${status}${code ? ` ${code}` : ''}` : `unanswered (${error})`;
  const begun = !answered && status !== undefined ? `, begun ${status}` : '';
  const after = (at: number) => ` after ${Math.round(at - sentAt)} ms`;
  const ended = endedAt === undefined ? '' : after(endedAt);
  const by = answered ? '' : `, ${connection} connection`;
  const ranAt = ran.get(id);
  return `${id} (${kind}, ${answer}${begun}${ended}${by}${ranAt === undefined ? '' : `, handler ran${after(ranAt)}`})`;
}

function show({ id, action, outcome, metadata }: StoredEvent): string {
  const { statusCode, interrupted, aborted, stage, source, sequence } = metadata;
  return JSON.stringify({ id, action, outcome, statusCode, interrupted, aborted, stage, source, sequence });
}
