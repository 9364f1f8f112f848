// Delivery in the main thread without an application, into a database that does what a test says.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditLogEvent } from 'nest-audit-trail';
import { Delivery } from '../../src/delivery/delivery.js';
import { DeliveryLoop } from '../../src/delivery/delivery-loop.js';
import type { LoopHost } from '../../src/delivery/delivery-loop.js';
import { DELIVERY_DEFAULTS } from '../../src/delivery/delivery-options.js';
import type { DeliveryOptions } from '../../src/delivery/delivery-options.js';
import { createEventId, timestampOf } from '../../src/event/event-id.js';
import type { SourceNote } from '../../src/store/source-note.js';

export function newEvent(action = 'thing.create'): AuditLogEvent {
  const id = createEventId(Date.now());
  return {
    id,
    timestamp: timestampOf(id),
    tenantId: 'default',
    action,
    resource: 'thing',
    details: {},
    severity: 'low',
    category: 'system',
    outcome: 'success',
    riskScore: 0,
    complianceFlags: [],
    metadata: {},
  };
}

/** What a database was given, and how it answers. */
export class ToldDatabase {
  readonly stored: AuditLogEvent[] = [];
  readonly notes: Pick<SourceNote, 'source' | 'kind' | 'sequence'>[] = [];
  /** Until it resolves, no statement is answered; what it rejects with, each statement is. */
  answer: Promise<void> = Promise.resolve();
  readonly whyNotReady = undefined;

  async store(events: readonly AuditLogEvent[]): Promise<ReadonlyMap<string, string>> {
    await this.answer;
    // As they are now: an event may change until it is settled.
    this.stored.push(...events.map((event) => structuredClone(event)));
    return new Map();
  }

  async keep(): Promise<void> {
    await this.answer;
  }

  async ping(): Promise<void> {
    await this.answer;
  }

  async insert({ source, kind, sequence }: SourceNote): Promise<void> {
    await this.answer;
    this.notes.push({ source, kind, sequence });
  }
}

const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };

export interface DeliveryAlone {
  readonly delivery: Delivery;
  readonly host: LoopHost;
  /** The loop dies, and another begins. */
  renew(): void;
}

/** @param options `directory` is needed but in `buffered` */
export function deliveryInto(database: ToldDatabase, options: Partial<DeliveryOptions>): DeliveryAlone {
  const all = { ...DELIVERY_DEFAULTS, ...options };
  let host!: LoopHost;
  let loop!: DeliveryLoop;
  const begin = () => (loop = new DeliveryLoop(database, all, host));
  const delivery = new Delivery(
    (given) => {
      host = given;
      begin();
      return {
        whyNotReady: undefined,
        start: () => loop.start(),
        open: (start) => loop.open(structuredClone(start)),
        advance: (news) => loop.advance(structuredClone(news)),
        ping: (patienceMs) => loop.ping(patienceMs),
        ownersOf: (source, sequences) => loop.ownersOf(source, sequences),
        storedNumbers: () => loop.storedNumbers(),
        reached: () => loop.reached(),
        close: () => loop.close(),
      };
    },
    database as never,
    silent,
    all,
    {
      dropped: (dropped) => ({ ...newEvent('audit.drop'), details: { ...dropped } }),
      lost: ({ lines }) => ({ ...newEvent('audit.loss'), details: { lines } }),
      interrupted: (begun) => ({ riskScore: 0, complianceFlags: [], ...begun }),
    },
  );
  const renew = () => {
    loop.close();
    host.ended(new Error('the loop has ended'));
    begin();
    host.ready();
  };
  return { delivery, host, renew };
}

/** A directory for a journal, and what takes it away. */
export function journalDirectory(): { readonly directory: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'audit-delivery-'));
  return {
    directory: join(folder, 'journal'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
