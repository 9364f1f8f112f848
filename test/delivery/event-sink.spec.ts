// Where delivery stores: what rests protected is protected, also where the database comes back in the midst of it.
import type { AuditLogEvent } from 'nest-audit-trail';
import { RepositorySink } from '../../src/delivery/event-sink.js';
import { numbered } from '../support/audit-store.js';

const SECRET = 'ann@example.com';

class Database {
  whyNotReady: string | undefined = 'it is away';
  readonly taken: AuditLogEvent[] = [];

  async append(events: readonly AuditLogEvent[]): Promise<[]> {
    if (this.whyNotReady !== undefined) throw new Error(this.whyNotReady);
    this.taken.push(...events);
    return [];
  }

  /** Signs the letter first. */
  async keep(event: AuditLogEvent): Promise<void> {
    await Promise.resolve();
    await this.append([event]);
  }
}

describe('a database that comes back', () => {
  const signal = new AbortController().signal;
  const event = { ...numbered('0198c0de-0000-7000-8000-000000000001', 1), userId: SECRET };
  const protect = async (events: readonly AuditLogEvent[]) =>
    events.map((one) => ({ ...one, userId: 'protected' }));

  function start() {
    const database = new Database();
    const sink = new RepositorySink(database as never, database as never, protect);
    const comeBack = () => queueMicrotask(() => (database.whyNotReady = undefined));
    return { database, sink, comeBack };
  }

  it('is given no event in clear', async () => {
    const { database, sink, comeBack } = start();
    const storing = sink.store([event], signal).catch(() => undefined);
    comeBack();
    await storing;
    expect(database.taken.filter(({ userId }) => userId === SECRET)).toEqual([]);
  });

  it('is given no dead letter in clear', async () => {
    const { database, sink, comeBack } = start();
    const keeping = sink.keep(event, 'refused', signal);
    comeBack();
    await keeping;
    expect(database.taken).toMatchObject([{ userId: 'protected' }]);
  });
});
