// Whoever may INSERT into audit_sources, as the application may: what such a row says stops no sealing, accuses no event, hides no loss
// and leaves nothing in the log that stays when the row is deleted.
import 'reflect-metadata';
import { setImmediate as turn } from 'node:timers/promises';
import type { AuditLogEvent, AuditModuleOptions, LedgerOptions } from 'nest-audit-trail';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys } from '../../../src/ledger/index.js';
import { AttackedDatabase } from '../../support/attacked-database.js';
import { numbered } from '../../support/audit-store.js';
import type { AuditStore } from '../../support/audit-store.js';
import { AS_A_TOOL, logged } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { insertRows } from '../../support/event-rows.js';
import { writeNote } from '../../support/source-notes.js';
import { describeEachDatabase } from '../../support/harness/databases.js';
import { ask } from '../../support/stored-rows.js';

const keys = generateKeys('audit.example');
const MODES = [
  ['a signed log', { signingKey: keys.signerKey }],
  ['an unsigned log', {}],
] as const;

/** What an attacker says of a source that has come to number `last`. */
const LIES = [
  { kind: 'closed', at: (last: number) => last },
  { kind: 'closed', at: () => 0 },
  { kind: 'closed', at: () => 1 },
  { kind: 'closed', at: () => '9007199254740992' },
  { kind: 'closed', at: () => '9223372036854775807' },
  { kind: 'closed', at: () => -1 },
  { kind: 'abandoned', at: (last: number) => last },
  { kind: 'abandoned', at: () => 0 },
  { kind: 'ended', at: (last: number) => last + 2 },
  { kind: 'closed', at: (last: number) => last, id: 'ffffffff-ffff-7fff-bfff-ffffffffffff' },
] as const;

function rowOf(lie: (typeof LIES)[number], source: string, last: number): Record<string, unknown> {
  const id = 'id' in lie ? { id: lie.id } : {};
  return { ...id, source, kind: lie.kind, sequence: lie.at(last), process: 'forged' };
}

const TITLES = LIES.map((lie) => `${lie.kind} at ${lie.at(5)}${'id' in lie ? ', the newest for ever' : ''}`);

describeEachDatabase('a forged note of a source', (create, name) => {
  let log: AttackedDatabase;
  let store: AuditStore;

  async function open(): Promise<void> {
    log = await AttackedDatabase.of(await create());
    store = log.owner;
  }

  const start = (
    ledger: LedgerOptions,
    journal = '',
    delivery: AuditModuleOptions['delivery'] = {},
  ): Promise<LedgerApp> => log.start({ gapTimeoutMs: 0, ...ledger }, journal, delivery);

  async function record({ audit }: LedgerApp, count: number): Promise<AuditLogEvent[]> {
    const recorded = await Promise.all(
      Array.from({ length: count }, () => audit.record({ action: 'thing.create' })),
    );
    await audit.flush();
    return recorded;
  }

  const forge = (rows: readonly Readonly<Record<string, unknown>>[]) =>
    insertRows(
      log.attacker,
      'audit_sources',
      rows.map((row) => ({
        id: createEventId(Date.now()),
        timestamp: Date.now(),
        process: '{}',
        ...row,
      })),
    );

  /** Who owns the tables deletes what was forged. */
  const mend = (condition: string) => log.remove('audit_sources', condition);

  const gapsIn = async ({ audit }: LedgerApp) =>
    (await audit.find({ allTenants: true, action: 'audit.gap' })).events;
  const forged = `${name === 'sqlite' ? '"process"' : 'process'} = 'forged'`;

  describe.each(MODES)('in %s, where two processes record', (_, ledger) => {
    let sealer: LedgerApp;
    let other: LedgerApp;
    let own: string;
    let others: string;
    /** Of the log, in leaves. */
    let size: number;

    beforeAll(async () => {
      await open();
      sealer = await start(ledger);
      other = await start({ ...ledger, seal: false }, '-other', AS_A_TOOL);
      [own, others] = (await Promise.all([sealer, other].map((app) => record(app, 5)))).map(
        ([event]) => event!.metadata['source'] as string,
      ) as [string, string];
      size = 10;
      expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size });
    });
    afterAll(() => log.close());

    async function recordMore(app: LedgerApp, count: number): Promise<void> {
      await record(app, count);
      size += count;
    }

    /** Of the two there are. */
    async function summaryOf(source: string) {
      const sources = await sealer.audit.sources();
      expect(sources.map((one) => one.source).sort()).toEqual([own, others].sort());
      return sources.find((one) => one.source === source)!;
    }

    const lastOf = async (source: string) => (await summaryOf(source)).events;

    it(`of this process is told in the log: ${TITLES[0]}`, async () => {
      logged.length = 0;
      await forge([rowOf(LIES[0], own, await lastOf(own))]);
      await recordMore(sealer, 3);
      await sealer.audit.checkpoint();
      await sealer.audit.checkpoint();
      expect(logged.join()).toContain(`the source ${own}`);
      await mend(forged);
    });

    it(`of this process: ${TITLES.join('; ')}`, async () => {
      let last = await lastOf(own);
      for (const lie of LIES) {
        await forge([rowOf(lie, own, last)]);

        await recordMore(sealer, 3);
        last += 3;
        await sealer.audit.checkpoint();
        expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size });
        expect(await gapsIn(sealer)).toEqual([]);
        expect((await sealer.audit.verify()).problems).toMatchObject([
          { code: 'source_contradicted', source: own },
        ]);
        expect(await summaryOf(own)).toMatchObject({ state: 'open', events: last, gaps: [] });

        await mend(forged);
        expect(await sealer.audit.verify()).toMatchObject({ ok: true, events: size, pending: 0 });
      }
    });

    it(`of another process that lives: ${TITLES.join('; ')}`, async () => {
      for (const lie of LIES) {
        await forge([rowOf(lie, others, await lastOf(others))]);

        await recordMore(other, 3);
        expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size });
        expect(await gapsIn(sealer)).toEqual([]);
        const { problems } = await sealer.audit.verify();
        // Without keys the journal of a machine that lost its power may really know less.
        const isBelieved = lie.kind === 'abandoned' && !('signingKey' in ledger);
        expect(problems).toMatchObject(isBelieved ? [] : [{ code: 'source_contradicted', source: others }]);
        expect((await other.audit.verify()).problems).toMatchObject([
          { code: 'source_contradicted', source: others },
        ]);

        await mend(forged);
        expect(await sealer.audit.verify()).toMatchObject({ ok: true, events: size, pending: 0 });
      }
    });

    it.each(['started', 'resumed'])('that it has %s stops nothing, and is not recorded', async (kind) => {
      await forge([own, others].map((source) => ({ kind, source, sequence: 9e15, process: 'forged' })));
      await recordMore(sealer, 3);
      await recordMore(other, 3);
      expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size });
      expect(await gapsIn(sealer)).toEqual([]);
      // Of another process it may be so: what it has given away may be on its way.
      expect((await sealer.audit.verify()).problems).toMatchObject([
        { code: 'source_contradicted', source: own },
      ]);
      await mend(forged);
      expect(await sealer.audit.verify()).toMatchObject({ ok: true, events: size });
    });

    it('of a source that never was leaves nothing in the log', async () => {
      const sources = Array.from({ length: 300 }, () => createEventId(Date.now()));
      await forge(sources.map((source) => ({ source, kind: 'closed', sequence: 9e15, process: 'forged' })));
      await recordMore(sealer, 2);
      expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size });
      expect(await gapsIn(sealer)).toEqual([]);
      const { problems } = await sealer.audit.verify({ maxProblems: 1_000 });
      const code = 'signingKey' in ledger ? 'source_contradicted' : 'sequence_gap';
      expect(new Set(problems.map((problem) => problem.code))).toEqual(new Set([code]));
      expect(new Set(problems.map(({ source }) => source))).toEqual(new Set(sources));
      await mend(forged);
      expect(await sealer.audit.verify()).toMatchObject({ ok: true, events: size });
    });

    it('many thousand times stops nothing', async () => {
      const last = await lastOf(own);
      await forge(
        Array.from({ length: 5_000 }, () => ({
          source: own,
          kind: 'closed',
          sequence: last,
          process: 'forged',
        })),
      );
      await recordMore(sealer, 3);
      expect(await sealer.audit.checkpoint()).toMatchObject({ treeSize: size });
      expect((await sealer.audit.verify()).problems).toMatchObject([
        { code: 'source_contradicted', source: own },
      ]);
      expect(await summaryOf(own)).toMatchObject({ state: 'open', gaps: [] });
      await mend(forged);
      expect(await sealer.audit.verify()).toMatchObject({ ok: true, events: size });
    });

    it('never makes verify() accuse what is delivered and sealed while it runs', async () => {
      let isOver = false;
      const load = (async () => {
        while (!isOver) {
          await Promise.all([record(sealer, 30), sealer.audit.checkpoint()]);
          // SQLite answers at once, and would let nobody else have a turn.
          await turn();
        }
      })();
      const found: unknown[] = [];
      try {
        for (let round = 0; round < 5; round += 1) found.push(...(await sealer.audit.verify()).problems);
      } finally {
        isOver = true;
        await load;
      }
      expect(found).toEqual([]);
    });

    // The last: the log has the loss for ever.
    it('hides no event that is deleted before it is sealed', async () => {
      await sealer.audit.checkpoint();
      const last = await lastOf(own);
      await forge([{ source: own, kind: 'closed', sequence: last, process: 'forged' }]);
      const lost = await record(sealer, 20);
      await log.remove('audit_events', `id IN (${lost.map(({ id }) => `'${id}'`).join(', ')})`);
      const told = expect.objectContaining({
        code: 'sequence_gap',
        source: own,
        sequence: last + 1,
        message: expect.stringContaining('20 are missing'),
      });
      expect((await sealer.audit.verify()).problems).toContainEqual(told);
      // A letter at its place does not explain it.
      await store.letters.keep(lost[7]!, 'refused');
      expect((await sealer.audit.verify()).problems).toContainEqual(told);
      // Once the process goes on, the log has it.
      await record(sealer, 1);
      await sealer.audit.checkpoint();
      expect(await gapsIn(sealer)).toMatchObject([
        { details: { source: own, from: last + 1, to: last + 20 } },
      ]);
    });
  });

  // The log says it once for each source, and on each database alike.
  if (name === 'sqlite') {
    describe.each(MODES)('in %s', (_, ledger) => {
      beforeAll(open);
      afterAll(() => log.close());

      it.each(LIES.map((lie, index) => [TITLES[index]!, lie] as const))(
        'of this process is told in the log: %s',
        async (title, lie) => {
          const app = await start(ledger, title);
          const [{ metadata }] = (await record(app, 5)) as [AuditLogEvent];
          await app.audit.checkpoint();
          const source = metadata['source'] as string;
          await forge([rowOf(lie, source, 5)]);
          await record(app, 3);
          await app.audit.checkpoint();
          await app.audit.checkpoint();
          expect(logged.join()).toContain(`the source ${source}`);
          await log.stop(app);
        },
      );
    });
  }

  describe('with a signature', () => {
    let app: LedgerApp;
    /** Of the log before the test, in leaves. */
    let size: number;
    /** That the test makes up. */
    let source: string;

    beforeAll(async () => {
      await open();
      app = await start({ signingKey: keys.signerKey });
    });
    beforeEach(async () => {
      source = createEventId(Date.now());
      ({ treeSize: size } = await app.audit.checkpoint());
    });
    afterAll(() => log.close());

    const isOfTest = (one: { readonly source?: string }) => one.source === source;
    const problemsOfTest = async () => (await app.audit.verify()).problems.filter(isOfTest);
    const summariesOfTest = async () => (await app.audit.sources()).filter(isOfTest);

    it('is that of one row: another can not carry it', async () => {
      const other = createEventId(Date.now());
      await store.events.append([numbered(source, 1), numbered(source, 2), numbered(other, 1)]);
      const closed = await writeNote(store, { source, kind: 'closed', sequence: 2 }, keys.signerKey);
      await writeNote(store, { source, kind: 'resumed', sequence: 2 }, keys.signerKey);
      await writeNote(store, { source: other, kind: 'started', sequence: 0 }, keys.signerKey);
      await forge([
        { ...closed, id: createEventId(Date.now() + 1_000), process: 'forged' },
        { ...closed, id: createEventId(Date.now() + 1_000), source: other, process: 'forged' },
      ]);
      await store.events.append([numbered(source, 3), numbered(other, 2), numbered(other, 3)]);
      expect(await app.audit.checkpoint()).toMatchObject({ treeSize: size + 6 });
      const { problems } = await app.audit.verify();
      expect(problems).toHaveLength(2);
      for (const problem of problems) {
        expect(problem.code).toBe('source_contradicted');
        expect([source, other]).toContain(problem.source);
      }
      for (const summary of await app.audit.sources()) {
        expect(summary).toMatchObject({ state: 'open', signed: true });
      }
      await mend(forged);
      expect(await app.audit.verify()).toMatchObject({ ok: true, events: size + 6 });
    });

    it('is written without one where the key does not sign, and holds up no end', async () => {
      const sign = () => Promise.reject<Uint8Array>(new Error('the KMS is away'));
      const other = await start({ signingKey: { verifierKey: keys.verifierKey, sign } }, '-other');
      source = (await record(other, 2))[0]!.metadata['source'] as string;
      await log.stop(other);
      const rows = await ask(
        store.connection,
        'SELECT source, kind, statement FROM audit_sources ORDER BY id',
      );
      expect(rows.filter((row) => row['source'] === source)).toEqual([
        { source, kind: 'started', statement: null },
        { source, kind: 'closed', statement: null },
      ]);
      expect(logged.join()).toContain('The note is stored unsigned');
      await app.audit.checkpoint();
      expect(await app.audit.verify()).toMatchObject({ ok: true, events: size + 2 });
      expect(await summariesOfTest()).toMatchObject([{ state: 'closed', signed: false }]);
    });

    // From here on, what is found stays in the log.
    it('tells of an event beyond its end that is in the log', async () => {
      const events = [1, 2, 3].map((sequence) => numbered(source, sequence));
      await store.events.append(events);
      expect(await app.audit.checkpoint()).toMatchObject({ treeSize: size + 3 });
      await writeNote(store, { source, kind: 'closed', sequence: 2 }, keys.signerKey);
      const { problems, events: compared, pending } = await app.audit.verify();
      expect({ compared, pending }).toEqual({ compared: size + 3, pending: 0 });
      expect(problems).toMatchObject([
        { code: 'event_inserted', eventId: events[2]!.id, leafIndex: size + 2 },
      ]);
    });

    it('counts: its end is known, and what is missing of it is recorded', async () => {
      await store.events.append([1, 2].map((sequence) => numbered(source, sequence)));
      await writeNote(store, { source, kind: 'closed', sequence: 3 }, keys.signerKey);
      await app.audit.checkpoint();
      expect(await gapsIn(app)).toMatchObject([{ details: { source, from: 3, to: 3 } }]);
      const late = numbered(source, 4);
      await store.events.append([late]);
      expect(await app.audit.checkpoint()).toMatchObject({ treeSize: size + 3 });
      expect(await problemsOfTest()).toMatchObject([
        { code: 'sequence_gap', sequence: 3 },
        { code: 'event_inserted', eventId: late.id },
      ]);
      expect(await summariesOfTest()).toMatchObject([{ state: 'closed', signed: true }]);
    });

    it('tells of the end where the clock was set back since the start', async () => {
      await store.events.append([numbered(source, 1)]);
      await writeNote(
        store,
        { source, kind: 'started', sequence: 0 },
        keys.signerKey,
        Date.now() + 7_200_000,
      );
      await writeNote(
        store,
        { source, kind: 'reached', sequence: 1 },
        keys.signerKey,
        Date.now() + 7_200_000,
      );
      await writeNote(store, { source, kind: 'closed', sequence: 2 }, keys.signerKey);
      await app.audit.checkpoint();
      const [newest] = await gapsIn(app);
      expect(newest).toMatchObject({ details: { source, from: 2, to: 2 } });
      expect(await problemsOfTest()).toMatchObject([{ code: 'sequence_gap', sequence: 2 }]);
      expect(await summariesOfTest()).toMatchObject([{ state: 'closed', signed: true }]);
    });

    it('by an unknown key, or of another log, counts for nothing', async () => {
      await store.events.append([1, 2].map((sequence) => numbered(source, sequence)));
      const note = { source, kind: 'closed' } as const;
      await writeNote(store, { ...note, sequence: 1 }, generateKeys('audit.example').signerKey);
      await writeNote(store, { ...note, sequence: 9 }, generateKeys('other.example').signerKey);
      expect(await app.audit.checkpoint()).toMatchObject({ treeSize: size + 2 });
      expect(await problemsOfTest()).toMatchObject([{ code: 'source_contradicted' }]);
      expect(await summariesOfTest()).toMatchObject([{ signed: false }]);
    });
  });
});
