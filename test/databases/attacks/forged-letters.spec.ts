// Dead letters that no process of this library has written: whoever may INSERT makes them. They explain no missing number
// where the log is signed, are replayed into no tenant, are shown to nobody whose they are not, and stop nothing.
import 'reflect-metadata';
import type { DataSource } from 'typeorm';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { run } from '../../../src/cli/program.js';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys, parseSignerKey } from '../../../src/ledger/index.js';
import { AttackedDatabase } from '../../support/attacked-database.js';
import { numbered } from '../../support/audit-store.js';
import { AS_A_TOOL, dropChecks, logged } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { narrowColumn, widenActions } from '../../support/narrow-column.js';
import { describeEachDatabase } from '../../support/harness/databases.js';
import { insertRow, rowOf, urlOf, wrongOf } from '../../support/event-rows.js';
import type { RawRow } from '../../support/event-rows.js';
import { ask } from '../../support/stored-rows.js';

const keys = generateKeys('audit.example');
const signed = { signingKey: keys.signerKey, gapTimeoutMs: 0 };
const unsigned = { gapTimeoutMs: 0 };

/** The row of a letter as the library writes it, but for what only a key can say. */
function letterOf(event: AuditLogEvent, change: RawRow = {}): RawRow {
  return {
    id: event.id,
    tenant_id: event.tenantId,
    source: event.metadata['source'] ?? null,
    sequence: event.metadata['sequence'] ?? null,
    timestamp: Date.now(),
    reason: 'refused',
    event: JSON.stringify(event),
    ...change,
  };
}

describeEachDatabase('forged dead letters', (create, name) => {
  let log: AttackedDatabase;
  let owner: DataSource;
  let attacker: DataSource;

  async function open(): Promise<void> {
    log = await AttackedDatabase.of(await create());
    owner = log.owner.connection;
    attacker = log.attacker;
  }
  const close = () => log.close();

  let started = 0;
  const start = (ledger: AuditModuleOptions['ledger'], delivery: AuditModuleOptions['delivery'] = {}) =>
    log.start(ledger, `-${++started}`, delivery);
  const stop = (app: LedgerApp) => log.stop(app);

  const insertLetter = (row: RawRow) => insertRow(attacker, 'audit_dead_letters', row);
  const remove = (table: string, id: string) => log.remove(table, `id = '${id}'`);
  const codesOf = async ({ audit }: LedgerApp) =>
    (await audit.verify({ maxProblems: 1_000 })).problems.map(({ code }) => code);
  const storedIds = async () =>
    (await ask<{ id: string }>(owner, 'SELECT id FROM audit_events')).map(({ id }) => id);

  /** Three events of a process that has ended, none of them sealed; the second is not there any more. */
  async function withDeletedEvent(ledger: AuditModuleOptions['ledger']): Promise<AuditLogEvent> {
    const writer = await start({ ...ledger, seal: false }, AS_A_TOOL);
    const events: AuditLogEvent[] = [];
    for (const id of [1, 2, 3]) {
      events.push(await writer.audit.record({ action: 'thing.create', tenantId: 'acme', details: { id } }));
    }
    await writer.audit.flush();
    await stop(writer);
    await remove('audit_events', events[1]!.id);
    return events[1]!;
  }

  let width = 20;
  /** An event that the database refuses, from its process. */
  async function honestLetter(app: LedgerApp, tenantId = 'acme'): Promise<AuditLogEvent> {
    // Those that were replayed before still fit.
    width += 10;
    await narrowColumn(owner, name, 'audit_events', 'action', width);
    const event = await app.audit.record({ action: 'x'.repeat(width + 1), tenantId });
    await app.audit.flush();
    await widenActions(owner, name);
    return event;
  }

  const hostile = (event: AuditLogEvent): readonly [what: string, row: RawRow][] => [
    ['no JSON', { event: '{' }],
    ['nothing', { event: '' }],
    ['null', { event: 'null' }],
    ['a list', { event: '[]' }],
    ['a number', { event: '1e999' }],
    ['an empty object', { event: '{}' }],
    ['5 MB of text', { event: `"${'x'.repeat(5 * 1024 * 1024)}"` }],
    [
      '5 MB in an event',
      { event: JSON.stringify({ ...event, details: { x: 'x'.repeat(5 * 1024 * 1024) } }) },
    ],
    ['deep lists', { event: '['.repeat(100_000) }],
    ['own prototypes', { event: `{"__proto__":{"polluted":true},${JSON.stringify(event).slice(1)}` }],
    ['nested facts', { event: JSON.stringify({ ...event, details: { a: { b: 1 } } }) }],
    ['no tenant', { event: JSON.stringify({ ...event, tenantId: null }) }],
    ['another severity', { event: JSON.stringify({ ...event, severity: 'bogus' }) }],
    ['more than an event', { event: JSON.stringify({ ...event, extra: 1 }) }],
    ['an id of any bytes', { id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' }],
    // The others take no such row.
    ...(name === 'sqlite' ? [['an id that is none', { id: 'zz' }] as [string, RawRow]] : []),
    ['an odd time', { timestamp: '-9223372036854775808', event: 'x' }],
  ];

  describe.each([
    ['signed', signed],
    ['unsigned', unsigned],
  ])('in a log that is %s', (how, ledger) => {
    let app: LedgerApp;

    beforeAll(async () => {
      await open();
      app = await start(ledger);
    });
    afterAll(close);

    describe('that each test leaves sound', () => {
      // Genuine events are sealed then, and nothing else is left.
      afterEach(async () => {
        await app.audit.checkpoint();
        await log.remove('audit_events', 'id NOT IN (SELECT event_id FROM audit_leaves)');
        await app.audit.replayDeadLetters({ allTenants: true });
        await owner.query('DELETE FROM audit_dead_letters');
        await app.audit.checkpoint();
        expect(await app.audit.verify()).toMatchObject({ ok: true, pending: 0 });
      });
      // The first: the log of the application says it now and then.
      if (how === 'signed') {
        it('are not sealed by a replay where the log is signed', async () => {
          const forged = numbered(createEventId(Date.now()), 1, { action: 'invoice.approve' });
          await insertLetter(letterOf(forged));
          expect(await app.audit.deadLetters({ tenantId: 'acme' })).toMatchObject([
            { event: forged, untrusted: expect.stringContaining('key') },
          ]);
          expect(await app.audit.replayDeadLetters({ tenantId: 'acme' })).toEqual({
            replayed: 0,
            refused: 1,
          });
          expect(logged.join('\n')).toContain(forged.id);
          expect(await storedIds()).not.toContain(forged.id);
        });
      }

      it(`are replayed into no other tenant (${how})`, async () => {
        const source = createEventId(Date.now());
        const victim = numbered(source, 1, { tenantId: 'globex' });
        await insertLetter(letterOf(victim, { tenant_id: 'acme' }));
        const digest = 'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAA';
        await insertLetter(letterOf(numbered(source, 2, { tenantId: 'globex' }), { tenant_id: digest }));
        for (const tenantId of ['acme', 'globex', digest]) {
          expect(await app.audit.deadLetters({ tenantId })).toEqual([]);
          expect(await app.audit.replayDeadLetters({ tenantId })).toEqual({ replayed: 0, refused: 0 });
        }
        expect(await app.audit.replayDeadLetters({ allTenants: true })).toEqual({ replayed: 0, refused: 2 });
        expect((await app.audit.find({ tenantId: 'globex' })).events).toEqual([]);
        const listed = await app.audit.deadLetters({ allTenants: true });
        expect(listed.map(({ untrusted }) => untrusted)).toEqual([expect.any(String), expect.any(String)]);
        expect(await codesOf(app)).toEqual(
          expect.arrayContaining(['dead_letter_untrusted', 'dead_letter_untrusted']),
        );
      });

      it(`are not believed where a column is not their event’s (${how})`, async () => {
        const event = numbered(createEventId(Date.now()), 7);
        const changes: RawRow[] = [
          { id: createEventId(Date.now()) },
          { source: createEventId(0) },
          { source: null, sequence: null },
          { sequence: 8 },
          { sequence: '9223372036854775807' },
          { sequence: -1 },
        ];
        for (const change of changes) {
          const row = letterOf(event, change);
          await insertLetter(row);
          expect([change, await app.audit.deadLetters({ tenantId: 'acme' })]).toEqual([
            change,
            [expect.objectContaining({ untrusted: expect.stringContaining('column') })],
          ]);
          expect(await app.audit.replayDeadLetters({ allTenants: true })).toEqual({
            replayed: 0,
            refused: 1,
          });
          expect(await codesOf(app)).toEqual(['dead_letter_untrusted']);
          expect(await app.audit.sources()).toEqual(expect.any(Array));
          await remove('audit_dead_letters', String(row['id']));
        }
        expect(await codesOf(app)).toEqual([]);
      });

      if (how === 'unsigned') return;

      it('are none of a process with a key: its letters are believed, and replayed', async () => {
        const event = await honestLetter(app);
        const letters = await app.audit.deadLetters({ tenantId: 'acme' });
        expect(letters).toEqual([{ event, reason: expect.any(String), refusedAt: expect.any(Number) }]);
        await app.audit.record({ action: 'thing.create' });
        await app.audit.flush();
        await app.audit.checkpoint();
        expect(await app.audit.verify()).toMatchObject({ ok: true, pending: 1, deadLetters: 1 });
        expect(await app.audit.replayDeadLetters({ tenantId: 'acme' })).toEqual({ replayed: 1, refused: 0 });
        await app.audit.checkpoint();
        const after = await app.audit.verify();
        expect(after).toMatchObject({ ok: true, pending: 0 });
        expect(after.deadLetters).toBeUndefined();
        expect(await app.audit.prove(event.id)).toBeDefined();
      });

      it('borrow no signature', async () => {
        const event = await honestLetter(app);
        const [row] = (await ask(attacker, 'SELECT * FROM audit_dead_letters')) as [Record<string, string>];
        const other = { ...event, id: createEventId(Date.now()) };
        const changed = { ...event, userId: 'mallory' };
        await remove('audit_dead_letters', event.id);
        const forgeries: [AuditLogEvent, RawRow][] = [
          [event, { timestamp: 1 }],
          [event, { reason: 'another' }],
          [event, { event: `${row.event} ` }],
          [changed, { event: JSON.stringify(changed) }],
          [other, { id: other.id, event: JSON.stringify(other) }],
        ];
        for (const [{ id }, change] of forgeries) {
          await insertLetter({ ...row, ...change });
          expect([change, await app.audit.deadLetters({ tenantId: 'acme' })]).toEqual([
            change,
            [expect.objectContaining({ untrusted: expect.any(String) })],
          ]);
          expect(await app.audit.replayDeadLetters({ allTenants: true })).toEqual({
            replayed: 0,
            refused: 1,
          });
          await remove('audit_dead_letters', id);
        }
        // As it was, it is believed; and not in another log with the same key.
        await insertLetter(row);
        const stranger = await start({ ...signed, origin: 'other.example', seal: false }, AS_A_TOOL);
        expect(await stranger.audit.deadLetters({ tenantId: 'acme' })).toMatchObject([
          { untrusted: expect.stringContaining('audit.example') },
        ]);
        expect(await app.audit.deadLetters({ tenantId: 'acme' })).toMatchObject([{ event }]);
        expect(await app.audit.replayDeadLetters({ allTenants: true })).toEqual({ replayed: 1, refused: 0 });
        await log.stop(stranger);
      });

      it('stop nothing, whatever is in them', async () => {
        // These refuse what is longer than any letter.
        await dropChecks(name === 'sqlite' ? attacker : owner, { name });
        const { unreadable } = app.audit.status();
        const before = await honestLetter(app);
        const source = createEventId(Date.now());
        const names = hostile(numbered(source, 1)).map(([what]) => what);
        const ids: string[] = [];
        for (const [index, what] of names.entries()) {
          const event = numbered(source, index + 1, { tenantId: 'acme' });
          const [, row] = hostile(event).find(([other]) => other === what)!;
          const letter = letterOf(event, row);
          ids.push(String(letter['id']));
          await insertLetter(letter);
        }
        const after = await honestLetter(app, 'initech');
        const { audit } = app;

        const seen: string[] = [];
        for (let page = await audit.deadLetters({ allTenants: true, limit: 3 }); page.length > 0;) {
          seen.push(...page.map(({ event }) => event.id));
          expect(seen.length).toBeLessThan(100);
          for (const { event } of page) expect([event.id, wrongOf(event)]).toEqual([event.id, []]);
          page = await audit.deadLetters({ allTenants: true, limit: 3, after: page.at(-1)!.event.id });
        }
        const listed = ids.filter((id) => id !== 'zz');
        expect(seen).toEqual([before.id, ...listed, after.id].sort());
        expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
        expect((await audit.deadLetters({ tenantId: 'initech' })).map(({ event }) => event.id)).toEqual([
          after.id,
        ]);
        for (const { event, untrusted } of await audit.deadLetters({ tenantId: 'acme' })) {
          expect([event.id, event.tenantId]).toEqual([event.id, 'acme']);
          if (event.id !== before.id) expect(untrusted).toEqual(expect.any(String));
        }
        expect(audit.status().unreadable).toBeGreaterThan(unreadable);
        expect((await audit.sources()).find((one) => one.source === source)).toMatchObject({ events: 0 });

        const { problems } = await audit.verify({ maxProblems: 1_000 });
        const untrusted = problems.filter(({ code }) => code === 'dead_letter_untrusted');
        expect(untrusted).toHaveLength(ids.length);
        expect(
          untrusted
            .map(({ eventId }) => eventId)
            .filter(Boolean)
            .sort(),
        ).toEqual([...ids].sort());

        const replay = await audit.replayDeadLetters({ allTenants: true });
        expect(replay).toEqual({ replayed: 2, refused: listed.length });
        expect(await storedIds()).toEqual(expect.arrayContaining([before.id, after.id]));
        const stored = await storedIds();
        expect(ids.filter((id) => stored.includes(id))).toEqual([]);
        await audit.checkpoint();
        for (const { id } of [before, after]) expect(await audit.prove(id)).toBeDefined();
      });

      it('are found where another event was stored in the place of a letter', async () => {
        const event = await honestLetter(app);
        // So it looks as if it had been replayed.
        const other = { ...event, userId: 'mallory', action: 'thing.read' };
        await insertRow(attacker, 'audit_events', rowOf(other));
        const { problems } = await app.audit.verify();
        expect(problems).toMatchObject([{ code: 'event_inserted', eventId: event.id }]);
      });
    });

    if (how === 'unsigned') {
      it('are pending, and not sound, where there is no key to tell', async () => {
        const gone = await withDeletedEvent(unsigned);
        await insertLetter(letterOf(gone));
        await app.audit.checkpoint();
        expect(await app.audit.verify()).toMatchObject({ pending: 1, deadLetters: 1 });
        expect((await codesOf(app)).filter((code) => code === 'dead_letter_untrusted')).toEqual([]);
      });
      return;
    }

    // The last: the loss stays.
    it('hide no deleted event where the log is signed', async () => {
      const gone = await withDeletedEvent(signed);
      await insertLetter(letterOf(gone));
      await app.audit.checkpoint();
      expect(await codesOf(app)).toEqual(expect.arrayContaining(['dead_letter_untrusted', 'sequence_gap']));
      let out = '';
      const output = {
        stdout: { write: (text: string) => (out += text) },
        stderr: { write: () => undefined },
      };
      const url = urlOf({ options: log.users.application });
      expect(await run(['verify', '--database-url', url, '--key', keys.verifierKey], output)).toBe(1);
      expect(out).toMatch(
        /dead_letter_untrusted: [^]*sequence_gap: |sequence_gap: [^]*dead_letter_untrusted: /,
      );
      // Whoever may deletes the forgery, and the loss stays.
      await remove('audit_dead_letters', gone.id);
      expect(await codesOf(app)).toEqual(['sequence_gap']);
    });
  });

  describe('in a log of their own', () => {
    beforeEach(open);
    afterEach(close);

    it('are not made by a key that is away: the letter is kept without, and said so', async () => {
      const signer = parseSignerKey(keys.signerKey);
      const app = await start({
        signingKey: {
          verifierKey: keys.verifierKey,
          sign: (text) =>
            Buffer.from(text).includes('dead-letter') ? Promise.reject(new Error('away')) : signer.sign(text),
        },
      });
      const event = await honestLetter(app);
      const about = logged.filter((line) => line.includes(event.id));
      expect(about).toEqual(expect.arrayContaining([expect.stringContaining('without a signature')]));
      const letter = { event, untrusted: expect.stringContaining('key') };
      expect(await app.audit.deadLetters({ tenantId: 'acme' })).toMatchObject([letter]);
      await app.audit.checkpoint();
      expect(await codesOf(app)).toEqual(['dead_letter_untrusted']);
    });
  });
});
