// A door that a test starts with its own options, on a SQLite database of its own.
import type { AuditLogEvent, AuditModuleOptions, DeliveryOptions } from 'nest-audit-trail';
import { createDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { ANN } from './cases.js';
import type { Door, RunningDoor } from './door.js';
import { send } from './send.js';
import type { Answer } from './send.js';

/** How long a test waits for what comes after an answer. */
export const WAIT = { timeout: 10_000, interval: 10 };

export class StartedDoor {
  running!: RunningDoor;
  store!: RemovableDatabase;
  private database!: TestDatabase;

  /** Registers what each test of a `describe` begins and ends with. */
  constructor(private readonly door: Door) {
    beforeEach(async () => {
      this.database = await createDatabase('sqlite');
      this.store = await removable(this.database, true);
    });
    afterEach(async () => {
      await this.running.close();
      await this.store.release();
      await this.database.drop();
    });
  }

  async start(options: AuditModuleOptions = {}): Promise<RunningDoor> {
    const delivery = { directory: this.database.journal, ...options.delivery };
    this.running = await this.store.start(() =>
      this.door.start({ database: this.database.options, ...options, delivery }),
    );
    return this.running;
  }

  /** With a database that can be taken away. */
  async startStrict(delivery: DeliveryOptions = {}, isPresent = true): Promise<RunningDoor> {
    this.store = await removable(this.database, isPresent);
    const strict = { mode: 'strict', shutdownTimeoutMs: 100 } as const;
    return this.start({ database: this.store.options, delivery: { ...strict, ...delivery } });
  }

  /** As ann. */
  ask(method: string, path: string, body?: string): Promise<Answer> {
    return send(this.running.url, {
      method,
      path,
      headers: { ...ANN, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body }),
    });
  }

  /** All events, of which there are this many. */
  async events(count: number): Promise<AuditLogEvent[]> {
    await vi.waitUntil(async () => (await this.running.events()).length >= count, WAIT);
    const all = await this.running.events();
    expect(all).toHaveLength(count);
    return all;
  }
}
