// Whoever may INSERT into audit_events takes numbers of a process that lives: those that it is to give away next, or one far beyond.
// The genuine events are sealed all the same, and nothing that is forged becomes a loss in the log.
import 'reflect-metadata';
import type { AuditLogEvent, AuditModuleOptions, AuditProblem } from 'nest-audit-trail';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys, parseSignerKey, parseVerifierKey } from '../../../src/ledger/index.js';
import { AttackedDatabase } from '../../support/attacked-database.js';
import { numbered } from '../../support/audit-store.js';
import type { AuditStore } from '../../support/audit-store.js';
import { collectorAlone } from '../../support/collector-alone.js';
import { insertRows, rowOf } from '../../support/event-rows.js';
import { eventually } from '../../support/eventually.js';
import { AS_A_TOOL, logged } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { writeNote } from '../../support/source-notes.js';
import { describeEachDatabase } from '../../support/harness/databases.js';
import { ask } from '../../support/stored-rows.js';

const keys = generateKeys('audit.example');
/** Ids of then sort before all genuine ones. */
const LONG_AGO = 1_600_000_000_000;

describeEachDatabase('a number of a process that somebody else takes', (create) => {
  let log: AttackedDatabase;
  let store: AuditStore;

  async function open(): Promise<void> {
    log = await AttackedDatabase.of(await create());
    store = log.owner;
  }

  const start = (ledger: object = {}, journal = '', delivery: AuditModuleOptions['delivery'] = {}) =>
    log.start({ gapTimeoutMs: 0, signingKey: keys.signerKey, ...ledger }, journal, delivery);
  let others = 0;
  /** Another process, which only records: the thread would do no more than store. */
  const startOther = () => start({ seal: false }, `-other-${++others}`, AS_A_TOOL);

  async function record({ audit }: LedgerApp, count: number): Promise<AuditLogEvent[]> {
    const events: AuditLogEvent[] = [];
    for (let done = 0; done < count; done += 1) events.push(await audit.record({ action: 'thing.create' }));
    await audit.flush();
    return events;
  }

  const sourceOf = ([event]: readonly AuditLogEvent[]) => String(event!.metadata['source']);

  async function take(
    source: string,
    from: number,
    to: number,
    timestamp = LONG_AGO,
  ): Promise<AuditLogEvent[]> {
    const events = Array.from({ length: to - from + 1 }, (_, index) =>
      numbered(source, from + index, { timestamp }),
    );
    await insertRows(
      log.attacker,
      'audit_events',
      events.map((event) => rowOf(event)),
    );
    return events;
  }

  const remove = (events: readonly AuditLogEvent[]) =>
    log.remove('audit_events', `id IN (${events.map(({ id }) => `'${id}'`).join(', ')})`);
  const idsOf = (events: readonly AuditLogEvent[]) => events.map(({ id }) => id).sort();
  const gapsIn = async ({ audit }: LedgerApp) =>
    (await audit.find({ allTenants: true, action: 'audit.gap' })).events;

  describe('in a log that one process seals', () => {
    let sealer: LedgerApp;
    /** Of the log before the test, in leaves. */
    let size: number;
    /** Of tests before this one. */
    let known: Set<string>;

    const nameOf = ({ code, eventId }: AuditProblem) => `${code} ${eventId}`;
    const newProblems = async ({ audit }: LedgerApp) =>
      (await audit.verify()).problems.filter((problem) => !known.has(nameOf(problem)));

    /** What is sealed since the test began. */
    const sealedIds = async () =>
      (
        await ask<{ event_id: string }>(
          store.connection,
          `SELECT event_id FROM audit_leaves WHERE leaf_index >= ${size}`,
        )
      ).map((row) => row.event_id);

    beforeAll(async () => {
      await open();
      sealer = await start();
    });
    beforeEach(async () => {
      logged.length = 0;
      ({ treeSize: size } = await sealer.audit.checkpoint());
      known = new Set((await sealer.audit.verify()).problems.map(nameOf));
    });
    afterAll(() => log.close());

    it('is sealed by that process as its own event alone', async () => {
      const genuine = await record(sealer, 3);
      await sealer.audit.checkpoint();
      const forged = await take(sourceOf(genuine), 4, 12);
      genuine.push(...(await record(sealer, 5)));
      expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: 8 });
      expect([...(await sealedIds())].sort()).toEqual(idsOf(genuine));
      expect(logged.join()).toContain('is not sealed');
      const { problems, pending } = await sealer.audit.verify();
      expect(pending).toBe(0);
      expect(problems.map(({ code }) => code)).toEqual(forged.map(() => 'event_inserted'));
      expect(problems.map(({ eventId }) => eventId).sort()).toEqual(idsOf(forged));
      await remove(forged);
      expect(await sealer.audit.verify()).toMatchObject({ ok: true, events: 8 });
    });

    it('far beyond its last leaves no loss in the log, and is named', async () => {
      const other = await startOther();
      const genuine = await record(other, 3);
      await sealer.audit.checkpoint();
      const [forged] = await take(sourceOf(genuine), 1_000, 1_000);
      for (let round = 0; round < 3; round += 1) {
        genuine.push(...(await record(other, 2)));
        await sealer.audit.checkpoint();
        expect([...(await sealedIds())].sort()).toEqual(idsOf(genuine));
      }
      expect((await sealer.audit.verify()).problems).toMatchObject([
        { code: 'sequence_gap', sequence: 10, eventId: forged!.id },
      ]);
      expect((await other.audit.verify()).problems).toMatchObject([
        { code: 'event_inserted', eventId: forged!.id },
      ]);
      await log.stop(other);
      await sealer.audit.checkpoint();
      expect((await sealer.audit.verify()).problems).toMatchObject([
        { code: 'event_inserted', eventId: forged!.id },
      ]);
      expect(await gapsIn(sealer)).toEqual([]);
      await remove([forged!]);
      expect(await sealer.audit.verify()).toMatchObject({ ok: true, events: size + 9, pending: 0 });
    });

    // From here on, what is found stays in the log.
    it('after its last is named once it has closed, though it is in the log', async () => {
      const other = await startOther();
      const [forged] = await take(sourceOf(await record(other, 3)), 4, 4);
      expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size + 4 });
      await log.stop(other);
      expect(await newProblems(sealer)).toMatchObject([
        { code: 'event_inserted', eventId: forged!.id, sequence: 4, leafIndex: expect.any(Number) },
      ]);
    });

    it('is named by that process where another one has sealed it, also once the genuine event is deleted', async () => {
      const other = await startOther();
      const source = sourceOf(await record(other, 3));
      await sealer.audit.checkpoint();
      const forged = await take(source, 4, 6);
      expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size + 6 });
      const genuine = await record(other, 3);
      await sealer.audit.checkpoint();
      const named = async () =>
        (await newProblems(other))
          .filter(({ code }) => code === 'event_inserted')
          .map(({ eventId }) => String(eventId))
          .sort();
      expect(await named()).toEqual(idsOf(forged));
      expect((await newProblems(sealer)).map(({ eventId }) => eventId).sort()).toEqual(idsOf(genuine));
      await remove(genuine);
      expect(await named()).toEqual(idsOf(forged));
      await log.stop(other);
    });

    it('is not needed for a real loss: a process that lives says how far it is', async () => {
      const other = await startOther();
      const [{ metadata }, lost] = (await record(other, 3)) as [AuditLogEvent, AuditLogEvent];
      await remove([lost]);
      await eventually(async () => {
        await sealer.audit.checkpoint();
        expect(await gapsIn(sealer)).toMatchObject([{ details: { from: 2, to: 2 } }]);
      });
      const notes = await ask(store.connection, 'SELECT source, kind, sequence FROM audit_sources');
      expect(notes.map(({ source, kind, sequence }) => [source, kind, Number(sequence)])).toContainEqual([
        metadata['source'],
        'reached',
        3,
      ]);
      await log.stop(other);
    });

    it('is told of again where the key of a process did not sign', async () => {
      let isAway = false;
      const signer = parseSignerKey(keys.signerKey);
      const sign = async (bytes: Uint8Array) => {
        if (isAway) throw new Error('the KMS is away');
        return signer.sign(bytes);
      };
      const other = await start(
        { seal: false, signingKey: { verifierKey: keys.verifierKey, sign } },
        '-with-kms',
        AS_A_TOOL,
      );
      const events = await record(other, 3);
      isAway = true;
      await remove([events[1]!]);
      const source = sourceOf(events);
      await eventually(async () => {
        await sealer.audit.checkpoint();
        const notes = await ask(store.connection, 'SELECT source, kind, statement FROM audit_sources');
        expect(notes).toContainEqual({ source, kind: 'reached', statement: null });
      });
      isAway = false;
      await eventually(async () => {
        await sealer.audit.checkpoint();
        expect(await gapsIn(sealer)).toContainEqual(
          expect.objectContaining({ details: { source, from: 2, to: 2 } }),
        );
      });
      await log.stop(other);
    });
  });

  describe('in a log of its own', () => {
    beforeEach(open);
    afterEach(() => log.close());

    it('of very many sources keeps no noted process waiting, and a time to come excuses no hole', async () => {
      const source = createEventId(Date.now());
      const genuine = [1, 2].map((sequence) => numbered(source, sequence));
      await store.events.append(genuine);
      await writeNote(store, { source, kind: 'started', sequence: 0 }, keys.signerKey);
      const tomorrow = Date.now() + 86_400_000;
      const flood = Array.from({ length: 600 }, (_, index) =>
        numbered(`00000000-0000-7000-8000-${String(index).padStart(12, '0')}`, 2, { timestamp: tomorrow }),
      );
      await insertRows(
        log.attacker,
        'audit_events',
        flood.map((event) => rowOf(event)),
      );
      const collector = collectorAlone(store, {
        verifiers: [parseVerifierKey(keys.verifierKey)],
        origin: 'audit.example',
      });
      collector.begin();
      const { leaves } = await collector.next(500, 0, true);
      expect(leaves.map(({ eventId }) => eventId)).toEqual(genuine.map(({ id }) => id));

      const { audit } = await start({ gapTimeoutMs: 60_000 }, '', AS_A_TOOL);
      await audit.checkpoint();
      const { problems } = await audit.verify({ maxProblems: 1_000 });
      expect(problems).toHaveLength(flood.length);
      expect(problems.map(({ code }) => code)).toEqual(flood.map(() => 'sequence_gap'));
      expect(problems.map(({ eventId }) => eventId).sort()).toEqual(idsOf(flood));
    });
  });
});
