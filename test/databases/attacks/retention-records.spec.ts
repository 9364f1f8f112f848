// Retention signs that events were removed. Whoever writes to the tables must not get such a signature for anything else, nor use one for
// anything but what it was given for.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditLogEvent, VerifyResult } from 'nest-audit-trail';
import { run } from '../../../src/cli/program.js';
import { createEventId } from '../../../src/event/event-id.js';
import {
  canonicalJson,
  CompactRange,
  eventLeafHash,
  generateKeys,
  openNote,
  parseSignerKey,
  signNote,
} from '../../../src/ledger/index.js';
import type { RawTables } from '../../support/ledger-app.js';
import { AS_A_TOOL } from '../../support/ledger-app.js';
import { createDatabase, describeEachDatabase } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';
import { DAY, found, invented, old, OLD, RetainedLog, rowOf } from '../../support/retained-log.js';
import type { Row } from '../../support/retained-log.js';

const { signerKey, verifierKey } = generateKeys('audit.test');
const signer = parseSignerKey(signerKey);
const ledger = { signingKey: signerKey };

describeEachDatabase('records of removed events that an attacker bends', (create) => {
  const logs: RetainedLog[] = [];
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'audit-attack-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  afterEach(async () => {
    for (const one of logs.splice(0)) await one.close();
  });

  /** One for this test alone. */
  async function newLog(database?: TestDatabase): Promise<RetainedLog> {
    const made = await RetainedLog.on(database ?? (await create()));
    logs.push(made);
    return made;
  }

  /** As an auditor verifies, without the application. */
  async function verify({ database }: RetainedLog, ...args: string[]): Promise<VerifyResult> {
    let out = '';
    const outputs = { stdout: { write: (text: string) => (out += text) }, stderr: { write: () => true } };
    await run(
      [
        'verify',
        '--database-url',
        urlOf(database),
        '--key',
        verifierKey,
        '--json',
        '--max-problems',
        '1000',
        ...args,
      ],
      outputs,
    );
    return JSON.parse(out) as VerifyResult;
  }

  /** With everything that an auditor can have. */
  async function verifyFully(one: RetainedLog, checkpoint: string): Promise<VerifyResult> {
    const file = join(folder, 'checkpoint');
    writeFileSync(file, checkpoint);
    return verify(one, '--origin', 'audit.test', '--checkpoint', file);
  }

  async function removalRow(raw: RawTables): Promise<Row> {
    const rows = await raw.query("SELECT * FROM audit_events WHERE action = 'audit.removal' ORDER BY id");
    return { ...rows[0] };
  }

  const detailsOf = (row: Row) => JSON.parse(String(row['details'])) as Record<string, unknown>;
  const recordOf = (row: Row) => String(detailsOf(row)['record']);
  const withRecord = (row: Row, record: unknown): Row => ({
    ...row,
    details: JSON.stringify({ ...detailsOf(row), record }),
  });

  const deleteEvents = (raw: RawTables, ids: readonly string[]) =>
    raw.query(`DELETE FROM audit_events WHERE id IN (${ids.map((id) => `'${id}'`).join(', ')})`);

  it('says so where the event of a legal hold was taken away while the events went', async () => {
    const log = await newLog();
    await log.start({ ledger, delivery: AS_A_TOOL });
    const gone = await log.sealed(old(5, { userId: 'ann' }));
    const raw = await log.writer();
    // As another process has placed them yesterday.
    const placed = async (action: 'audit.hold' | 'audit.release-hold', said: Record<string, string>) => {
      const id = createEventId(Date.now() - DAY);
      const kind = action === 'audit.hold' ? 'hold' : 'hold-release';
      const text = `nest-audit-trail/${kind}/v1\naudit.test\n${id}\n${canonicalJson(said)}\n`;
      const details = { ...said, record: await signNote(text, [signer]) };
      const row = rowOf(invented({ id, action, details }));
      await raw.insert('audit_events', [row]);
      return row;
    };
    const because = { tenantId: 'acme', reason: 'case', placedBy: 'counsel' };
    const other = await placed('audit.hold', { ...because, userId: 'bob' });
    const lifted = await placed('audit.hold', { ...because, userId: 'ann' });
    const settled = { holdId: String(lifted['id']), reason: 'settled', liftedBy: 'counsel' };
    await placed('audit.release-hold', settled);
    const hidden = await placed('audit.hold', { ...because, userId: 'ann' });
    // A process looks for events that came so late when it begins to seal.
    const audit = await log.start({ ledger });
    await audit.checkpoint();
    expect(await log.retention.removeExpired()).toMatchObject({ removed: 0, held: 5 });
    await deleteEvents(raw, [String(hidden['id'])]);
    expect(await log.retention.removeExpired()).toMatchObject({ removed: 5, held: 0 });
    await raw.insert('audit_events', [hidden]);
    const { note } = await audit.checkpoint();

    const row = await removalRow(raw);
    expect(recordOf(row)).toContain(`\n${String(other['id'])}\n`);
    const { problems } = await verifyFully(log, note);
    expect(found(problems)).toEqual(
      expect.arrayContaining([
        ['removal_untrusted', row['id']],
        ...gone.map(({ id }) => ['event_missing', id]),
      ]),
    );
    expect(problems).toHaveLength(6);
    expect(problems.find(({ code }) => code === 'removal_untrusted')!.message).toContain(hidden['id']);
    // But for that one, the removal was right.
    await deleteEvents(raw, [String(hidden['id'])]);
    expect(found((await verifyFully(log, note)).problems)).toEqual([['event_missing', hidden['id']]]);
  });

  it('can be of as many leaves that are apart as a batch may have', async () => {
    const log = await newLog();
    const audit = await log.start({
      ledger,
      retention: { rules: [{ tenantId: 'acme', keepDays: 365 }], batchSize: 1_000, pauseMs: 0 },
    });
    const [gone, kept] = [old(1_000), old(1_000, { tenantId: 'other' })];
    await log.sealed(gone.flatMap((event, index) => [event, kept[index]!]));
    expect(await log.retention.removeExpired()).toMatchObject({ removed: 1_000 });
    await audit.checkpoint();
    expect(await verify(log)).toMatchObject({ ok: true, removed: 1_000 });
  });

  describe('where one of four old events is held', () => {
    let log: RetainedLog;
    let raw: RawTables;
    let evidence: AuditLogEvent | undefined;

    beforeAll(async () => {
      log = await RetainedLog.on(await create());
      await log.start({ ledger });
      [evidence] = await log.sealed([{ action: 'invoice.pay', userId: 'ann' }, ...old(3)]);
      await log.retention.placeHold({ tenantId: 'acme', userId: 'ann', reason: 'case', placedBy: 'counsel' });
      raw = await log.writer();
    });
    afterAll(() => log.close());

    // Of the last leaves the hash is in their rows alone, of others in a tile as well.
    it.each([
      ['among the last leaves', 0],
      ['under a full tile', 256],
    ])('signs no removal of an event in whose place a decoy was put for a while: %s', async (_, more) => {
      await log.sealed(Array.from({ length: more }, () => ({ action: 'invoice.pay' })));
      const { note } = await log.audit.checkpoint();
      const sound = await raw.snapshot();
      const decoy = invented({ id: createEventId(OLD), action: 'invoice.read', timestamp: OLD });
      await raw.insert('audit_events', [rowOf(decoy)]);
      const point = (id: string, hash: string) =>
        raw.query(`UPDATE audit_leaves SET event_id = '${id}', leaf_hash = '${hash}' WHERE leaf_index = 0`);
      await point(decoy.id, eventLeafHash(decoy).toString('base64'));
      if (more > 0) expect(await log.retention.removeExpired()).toMatchObject({ removed: 3, changed: 1 });
      else await expect(log.retention.removeExpired()).rejects.toMatchObject({ code: 'AUDIT_LEDGER_BROKEN' });
      // Everything is put back as it was, and the evidence goes.
      await point(evidence!.id, eventLeafHash(evidence!).toString('base64'));
      await deleteEvents(raw, [evidence!.id, decoy.id]);

      const { ok, problems } = await verifyFully(log, note);
      expect([ok, found(problems)]).toEqual([false, [['event_missing', evidence!.id]]]);
      await raw.restore(sound);
    });
  });

  describe('where five old events are sealed', () => {
    let log: RetainedLog;
    let victims: AuditLogEvent[];
    let raw: RawTables;
    let sound: Awaited<ReturnType<RawTables['snapshot']>>;

    beforeAll(async () => {
      log = await RetainedLog.on(await create());
      await log.start({ ledger });
      victims = await log.sealed(old(5));
      raw = await log.writer();
      sound = await raw.snapshot();
    });
    afterEach(() => raw.restore(sound));
    afterAll(() => log.close());

    it('signs no removal by leaves, tiles and a checkpoint that were made without the key', async () => {
      const [first, ...others] = victims;
      // The leaf and its checkpoint are made to fit an event that was changed.
      const changed: AuditLogEvent = { ...first!, resource: 'forged' };
      const hashes = [changed, ...others].map((event) => eventLeafHash(event));
      const tree = new CompactRange();
      for (const hash of hashes) tree.append(hash);
      const root = tree.root().toString('base64');
      await deleteEvents(raw, [first!.id]);
      await raw.insert('audit_events', [rowOf(changed)]);
      await raw.query(
        `UPDATE audit_leaves SET leaf_hash = '${hashes[0]!.toString('base64')}' WHERE leaf_index = 0`,
      );
      const unsigned = `audit.test\n5\n${root}\n\n`;
      await raw.query(`UPDATE audit_checkpoints SET root_hash = '${root}', note = '${unsigned}'`);
      await expect(log.retention.removeExpired()).rejects.toMatchObject({ code: 'AUDIT_LEDGER_BROKEN' });
      expect(await log.ids()).toContain(first!.id);
    });

    it("believes no record of another log, whether or not it has this one's name and key", async () => {
      for (const origin of ['other.test', 'audit.test']) {
        const other = await newLog(await createDatabase('sqlite'));
        await other.start({ ledger: { ...ledger, origin }, delivery: AS_A_TOOL });
        await other.sealed(old(5, { resource: 'nothing' }));
        await other.retention.removeExpired();
        const row = await removalRow(await other.writer());

        await deleteEvents(
          raw,
          victims.map(({ id }) => id),
        );
        await raw.insert('audit_events', [row]);
        // The name of the log is not said: it is that of its newest checkpoint.
        const { ok, problems, removed } = await verify(log);
        expect([ok, removed]).toEqual([false, undefined]);
        expect(found(problems)).toEqual(
          expect.arrayContaining([
            ['removal_untrusted', row['id']],
            ...victims.map(({ id }) => ['event_missing', id]),
          ]),
        );
        await raw.restore(sound);
      }
    });

    // The last: the process that goes on is another one.
    it('excuses nothing by the record of a branch that a restored backup has cut off', async () => {
      await log.sealed([{ action: 'invoice.pay' }]);
      await log.retention.removeExpired();
      await log.audit.checkpoint();
      const row = await removalRow(raw);

      await raw.restore(sound);
      const audit = await log.start({ ledger });
      await log.sealed([{ action: 'invoice.send' }, { action: 'invoice.pay' }]);
      const { note } = await audit.checkpoint();
      await raw.query('DELETE FROM audit_sources');
      expect(await verifyFully(log, note)).toMatchObject({ ok: true });
      await deleteEvents(
        raw,
        victims.map(({ id }) => id),
      );
      await raw.insert('audit_events', [row]);
      const { ok, problems } = await verifyFully(log, note);
      expect(ok).toBe(false);
      expect(found(problems)).toEqual(
        expect.arrayContaining([
          ['removal_untrusted', row['id']],
          ...victims.map(({ id }) => ['event_missing', id]),
        ]),
      );
    });
  });

  describe('where five events were removed by right', () => {
    let log: RetainedLog;
    let gone: AuditLogEvent[];
    let note: string;
    let raw: RawTables;
    let row: Row;
    let sound: Awaited<ReturnType<RawTables['snapshot']>>;

    beforeAll(async () => {
      log = await RetainedLog.on(await create());
      const audit = await log.start({ ledger });
      gone = await log.sealed(old(5));
      await log.sealed([{ action: 'invoice.pay' }]);
      await log.retention.removeExpired();
      ({ note } = await audit.checkpoint());
      raw = await log.writer();
      row = await removalRow(raw);
      sound = await raw.snapshot();
    });
    afterEach(() => raw.restore(sound));
    afterAll(() => log.close());

    it('names the record whose leaf was given the id of another event', async () => {
      expect(await verifyFully(log, note)).toMatchObject({ ok: true, removed: 5 });
      await raw.query(`UPDATE audit_leaves SET event_id = '${createEventId(OLD)}' WHERE leaf_index = 2`);
      const { ok, problems } = await verifyFully(log, note);
      expect(ok).toBe(false);
      const told = problems.find(({ code }) => code === 'removal_untrusted')!;
      expect(told).toMatchObject({ eventId: row['id'], leafIndex: 0 });
      expect(told.message).toContain('leaves 0-4');
      // Of a part of the log as well, though the event of the record is in another.
      expect((await verify(log, '--from', '1', '--to', '4')).ok).toBe(false);
    });

    it('believes no record that says anything else than it did', async () => {
      const record = recordOf(row);
      const lines = openNote(record, []).text.split('\n');
      expect(lines).toEqual([
        'nest-audit-trail/removal/v1',
        'audit.test',
        row['id'],
        '6',
        expect.stringMatching(/^[\w+/]{43}=$/),
        '0-4',
        expect.stringMatching(/^[\w+/]{43}=$/),
        'no holds',
        '',
      ]);
      const other = Buffer.alloc(32, 7).toString('base64');
      const changes: [line: number, text: string][] = [
        [1, 'other.test'],
        [2, createEventId(Date.now())],
        [3, '5'],
        [3, '7'],
        [3, '9007199254740991'],
        [4, other],
        [5, '0-3'],
        [5, '0-5'],
        [5, '1-5'],
        [5, '0-4,9007199254740990'],
        [5, '0-9007199254740990'],
        [5, '4-0'],
        [5, ''],
        [6, other],
        [6, 'none'],
        [7, ''],
      ];
      for (const [line, text] of changes) {
        const changed = lines.with(line, text).join('\n');
        // As whoever has no key can change it, and as a process would sign it that was fooled.
        for (const forged of [record.replace(lines.join('\n'), changed), await signNote(changed, [signer])]) {
          await deleteEvents(raw, [String(row['id'])]);
          await raw.insert('audit_events', [withRecord(row, forged)]);
          const { problems } = await verifyFully(log, note);
          expect(found(problems)).toEqual(
            expect.arrayContaining([
              ['removal_untrusted', row['id']],
              ...gone.map(({ id }) => ['event_missing', id]),
            ]),
          );
        }
      }
      await raw.restore(sound);
      expect(await verifyFully(log, note)).toMatchObject({ ok: true, removed: 5 });
    });

    it('believes no record that is shown by another event', async () => {
      const copy = { ...row, id: createEventId(Date.now()) };
      await deleteEvents(raw, [String(row['id'])]);
      await raw.insert('audit_events', [copy]);
      const { problems } = await verifyFully(log, note);
      expect(found(problems)).toEqual(
        expect.arrayContaining([
          ['removal_untrusted', copy.id],
          ...[...gone.map(({ id }) => id), row['id']].map((id) => ['event_missing', id]),
        ]),
      );
    });

    // The last: more is removed.
    it('is answered by verify whatever the events of removals hold', async () => {
      const attacker = await log.inserter();
      await log.dropChecks(attacker);
      const texts = [
        '{',
        'null',
        '[]',
        '"x"',
        '7',
        '{"record":null}',
        '{"record":{}}',
        '{"record":"\\u0000\\n\\n"}',
      ];
      texts.push(JSON.stringify({ record: 'x'.repeat(30_000) }));
      texts.push('['.repeat(30_000));
      const forged = texts.map((details) => ({ ...row, id: createEventId(Date.now()), details }));
      await attacker.insert('audit_events', forged);
      const ids = forged.map(({ id }) => id).sort();
      const { problems, removed } = await verify(log);
      const untrusted = problems.filter(({ code }) => code === 'removal_untrusted');
      expect([removed, untrusted.map(({ eventId }) => eventId).sort()]).toEqual([5, ids]);
      // Retention goes on beside them.
      await log.sealed(old(3));
      expect(await log.retention.removeExpired()).toMatchObject({ removed: 3 });
      expect((await verify(log)).removed).toBe(8);
    });
  });
});

function urlOf({ options }: TestDatabase): string {
  if (options.type === 'better-sqlite3') return `sqlite:${options.database}`;
  const { username, password, host, port, database } = options as unknown as Record<
    string,
    string | undefined
  >;
  const user = password ? `${username}:${password}` : username;
  return `${options.type === 'postgres' ? 'postgres' : 'mysql'}://${user}@${host}:${port}/${database}`;
}
