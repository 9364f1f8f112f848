// Verification of a log that goes on meanwhile: what happens after it began is no loss and no disorder.
import 'reflect-metadata';
import { createEventId } from '../../src/event/event-id.js';
import { AuditDatabase } from '../../src/store/audit-database.js';
import { AuditEventRepository } from '../../src/store/audit-event.repository.js';
import { DeadLetterRepository } from '../../src/store/dead-letter.repository.js';
import { LedgerRepository } from '../../src/store/ledger.repository.js';
import { SealingRepository } from '../../src/store/sealing.repository.js';
import { SourceRepository } from '../../src/store/source.repository.js';
import { LogVerifier } from '../../src/trail/verification/log-verifier.js';
import { numbered, openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { startLedgerApp } from '../support/ledger-app.js';
import type { LedgerApp } from '../support/ledger-app.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import { writeNote } from '../support/source-notes.js';

/** Lets something happen at once after it has told the newest checkpoint for the first time. */
class WatchedLedger extends LedgerRepository {
  constructor(
    database: AuditDatabase,
    private next: (() => Promise<void>) | undefined,
  ) {
    super(database);
  }

  override async head() {
    const head = await super.head();
    const { next } = this;
    this.next = undefined;
    await next?.();
    return head;
  }
}

describeEachDatabase('verifying', (create) => {
  let store: AuditStore;
  let app: LedgerApp;
  let database: AuditDatabase;
  const sources = Array.from({ length: 6 }, (_, index) => createEventId(Date.now() + index));

  beforeEach(async () => {
    const created = await create();
    store = await openStore(created.options);
    app = await startLedgerApp(created, { ledger: { gapTimeoutMs: 0 } });
    const ignore = () => undefined;
    database = new AuditDatabase({ database: created.options }, { log: ignore, warn: ignore, error: ignore });
    await database.connect(10_000);
    for (const source of sources) {
      // Numbers 3 and 4 are late.
      await store.events.append([1, 2, 5].map((sequence) => numbered(source, sequence)));
      await writeNote(store, { source, kind: 'started', sequence: 0 });
    }
    await app.audit.checkpoint();
  });

  afterEach(async () => {
    await database.close();
    await app.close();
    await store.close();
  });

  const verifierThat = (grow?: () => Promise<void>) =>
    new LogVerifier({
      ledger: new WatchedLedger(database, grow),
      sealing: new SealingRepository(database),
      sources: new SourceRepository(database),
      letters: new DeadLetterRepository(database, new AuditEventRepository(database)),
    });

  it('finds nothing wrong in what is sealed, comes late and ends meanwhile', async () => {
    const result = await verifierThat(async () => {
      for (const source of sources) {
        await store.events.append([3, 4, 6, 7].map((sequence) => numbered(source, sequence)));
      }
      await app.audit.checkpoint();
      for (const source of sources) {
        await store.events.append([numbered(source, 8)]);
        await writeNote(store, { source, kind: 'closed', sequence: 8 });
      }
      await app.audit.checkpoint();
      // More than a tile.
      await Promise.all(Array.from({ length: 300 }, () => app.audit.record({ action: 'thing.create' })));
      await app.audit.flush();
      await app.audit.checkpoint();
    }).verify();
    // Each source's three, and the event of its gap.
    expect(result).toMatchObject({ ok: true, problems: [], treeSize: 24, pending: 6 * 5 + 300 });
    expect(await app.audit.verify()).toMatchObject({ ok: true, treeSize: 24 + 330, pending: 0 });
  });

  it('still finds what is lost', async () => {
    const { problems } = await verifierThat(async () => {
      for (const source of sources) {
        await store.events.append([3, 6, 8].map((sequence) => numbered(source, sequence)));
        await writeNote(store, { source, kind: 'abandoned', sequence: 9 });
      }
    }).verify();
    expect(problems).toHaveLength(2 * sources.length);
    for (const source of sources) {
      expect(problems.filter((problem) => problem.source === source)).toMatchObject([
        { code: 'sequence_gap', sequence: 3, message: expect.stringContaining('1 events were lost') },
        { code: 'sequence_gap', sequence: 6, message: expect.stringContaining('2 are missing') },
      ]);
    }
  });

  it('finds nothing wrong in any part of a log in which gaps were closed later', async () => {
    for (const source of sources) {
      await store.events.append([3, 4].map((sequence) => numbered(source, sequence)));
    }
    await app.audit.checkpoint();
    for (const source of sources) await store.events.append([numbered(source, 6)]);
    const { treeSize } = await app.audit.checkpoint();
    expect(await app.audit.verify()).toMatchObject({ ok: true, treeSize: 42 });
    for (let from = 0; from <= treeSize; from += 1) {
      for (const to of [from, Math.min(from + 3, treeSize), treeSize]) {
        expect({ from, to, ...(await app.audit.verify({ from, to })) }).toMatchObject({
          from,
          to,
          problems: [],
        });
      }
    }
  });
});
