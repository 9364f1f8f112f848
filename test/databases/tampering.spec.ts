// Somebody with the database's password, and without its triggers, changes what is recorded: each change is found and named.
import 'reflect-metadata';
import { createEventId } from '../../src/event/event-id.js';
import { CODES } from '../../src/store/codes.js';
import { eventLeafHash, generateKeys, openNote, parseCheckpoint } from '../../src/ledger/index.js';
import type { AuditLogEvent, LedgerOptions, SignedCheckpoint, VerifyResult } from 'nest-audit-trail';
import { AS_A_TOOL, LEDGER_TABLES, RawTables, startLedgerApp } from '../support/ledger-app.js';
import type { LedgerApp, Snapshot } from '../support/ledger-app.js';
import { createDatabase, describeEachDatabase, missingReason } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

const keys = generateKeys('audit.example');
/** A full tile of 256, and the beginning of another. */
const EVENTS = 300;

describeEachDatabase('tampering', (create, name) => {
  let database: TestDatabase;
  let app: LedgerApp;
  let raw: RawTables;
  /** The tables of the sound log. */
  let sealed: Snapshot;
  const events: AuditLogEvent[] = [];
  const checkpoints: SignedCheckpoint[] = [];

  beforeAll(async () => {
    database = await create();
    const writer = await startLedgerApp(database, {
      ledger: { signingKey: keys.signerKey },
      delivery: AS_A_TOOL,
    });
    for (let index = 0; index < EVENTS; index += 1) {
      events.push(
        await writer.audit.record({
          action: 'invoice.approve',
          resourceId: `i-${index}`,
          userId: 'ann',
          tenantId: 'acme',
          sessionId: 's',
          ipAddress: '192.0.2.1',
          userAgent: 'tests',
          details: { amount: index, text: 'Grüße' },
          complianceFlags: ['sox-404'],
        }),
      );
      if (index % 100 === 99) {
        await writer.audit.flush();
        checkpoints.push(await writer.audit.checkpoint());
      }
    }
    await writer.close();
    raw = await RawTables.open(database);
    sealed = await raw.snapshot([...LEDGER_TABLES, 'audit_sources']);
    app = await startLedgerApp(database, {
      ledger: { signingKey: keys.signerKey, seal: false },
      delivery: AS_A_TOOL,
    });
  });

  afterAll(async () => {
    await app.close();
    await raw.close();
    await database.drop();
  });

  afterEach(async () => {
    await raw.restore(sealed);
  });

  const t = (table: string) => raw.q(table);
  const update = (table: string, set: string, where: string) =>
    raw.query(`UPDATE ${t(table)} SET ${set} WHERE ${where}`);
  const remove = (table: string, where: string) => raw.query(`DELETE FROM ${t(table)} WHERE ${where}`);

  /** Somebody computes the log of the events anew, and seals it in a way of their own. */
  async function forge(ledger: LedgerOptions): Promise<SignedCheckpoint> {
    for (const table of ['audit_leaves', 'audit_tiles', 'audit_checkpoints']) await remove(table, '1 = 1');
    const forging = await startLedgerApp(
      { ...database, journal: `${database.journal}-forger` },
      { ledger, delivery: AS_A_TOOL },
    );
    const checkpoint = await forging.audit.checkpoint();
    expect(await forging.audit.verify()).toMatchObject({ ok: true });
    await forging.close();
    return checkpoint;
  }

  /** It is found, and the first thing that is named is this. */
  async function expectFound(
    first: Partial<VerifyResult['problems'][number]>,
    options = {},
  ): Promise<VerifyResult> {
    const result = await app.audit.verify(options);
    expect(result.ok).toBe(false);
    expect(result.problems[0]).toMatchObject(first);
    result.problems.forEach(expectNamed);
    return result;
  }

  /** The message alone says what is meant. */
  function expectNamed({
    message,
    eventId,
    leafIndex,
    treeSize,
    sequence,
  }: VerifyResult['problems'][number]) {
    if (eventId !== undefined) expect(message).toContain(eventId);
    else if (/^Tiles? /.test(message)) expect(message).toMatch(/^Tiles? \d+ .*level \d+/);
    else expect(message).toMatch(new RegExp(`\\b${treeSize ?? leafIndex ?? sequence}\\b`));
  }

  it('is not seen where there was none', async () => {
    expect(checkpoints.map(({ treeSize }) => treeSize)).toEqual([100, 200, 300]);
    const progress: number[] = [];
    const kept = checkpoints.map(({ note }) => note);
    const result = await app.audit.verify({
      checkpoints: kept,
      keys: [keys.verifierKey],
      onProgress: ({ done, total }) => progress.push(done / total),
    });
    expect(result).toEqual({
      ok: true,
      treeSize: EVENTS,
      rootHash: checkpoints[2]!.rootHash,
      events: EVENTS,
      pending: 0,
      checkpoints: 3,
      unsigned: 0,
      signaturesChecked: true,
      problems: [],
    });
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
    for (const [from, to] of [
      [0, 1],
      [99, 100],
      [100, 300],
      [257, 299],
      [300, 300],
    ] as const) {
      expect(await app.audit.verify({ from, to, checkpoints: kept })).toMatchObject({
        ok: true,
        problems: [],
      });
    }
  });

  describe.each([
    ['in a full tile', 3],
    ['at the edge of the log', 280],
  ])('an event %s', (_, index) => {
    const changes: Record<string, string> = {
      timestamp: '1700000000000',
      tenant_id: "'other'",
      user_id: 'NULL',
      action: "'invoice.read'",
      resource: "'bill'",
      resource_id: "'i-9999'",
      details: "'{}'",
      ip_address: "'192.0.2.2'",
      user_agent: "''",
      session_id: 'NULL',
      severity: String(CODES.severity.critical),
      category: String(CODES.category.system),
      outcome: String(CODES.outcome.failure),
      risk_score: '0',
      compliance_flags: "'[]'",
      metadata: "'{}'",
      source: 'NULL',
      sequence: '9999',
    };

    it.each(Object.keys(changes))('whose %s is changed', async (column) => {
      const { id: eventId } = events[index]!;
      await update('audit_events', `${t(column)} = ${changes[column]}`, `id = '${eventId}'`);
      await expectFound({ code: 'event_changed', eventId, leafIndex: index });
    });

    it('whose records say the same in other words', async () => {
      const { id: eventId } = events[index]!;
      await update(
        'audit_events',
        name === 'mysql' ? "details = CONCAT(' ', details)" : "details = ' ' || details",
        `id = '${eventId}'`,
      );
      await expectFound({ code: 'event_changed', eventId, leafIndex: index });
    });

    it('whose id is changed', async () => {
      const { id: eventId } = events[index]!;
      const forged = createEventId(Date.now());
      await update('audit_events', `id = '${forged}'`, `id = '${eventId}'`);
      const { problems } = await expectFound({ code: 'event_missing', eventId, leafIndex: index });
      expect(problems[1]).toMatchObject({ code: 'event_inserted', eventId: forged });
    });

    it('that is deleted', async () => {
      const { id: eventId, metadata } = events[index]!;
      await remove('audit_events', `id = '${eventId}'`);
      await expectFound({
        code: 'event_missing',
        eventId,
        leafIndex: index,
        source: metadata['source'] as string,
        sequence: index + 1,
      });
    });

    it('that is deleted with its leaf', async () => {
      const { id, metadata } = events[index]!;
      await remove('audit_events', `id = '${id}'`);
      await remove('audit_leaves', `leaf_index = ${index}`);
      const { problems } = await expectFound({ code: 'leaf_missing', leafIndex: index });
      expect(problems).toContainEqual(
        expect.objectContaining({
          code: 'sequence_gap',
          source: metadata['source'],
          sequence: index + 1,
        }),
      );
    });

    it('whose leaf is changed', async () => {
      await update(
        'audit_leaves',
        `leaf_hash = '${Buffer.alloc(32, 7).toString('base64')}'`,
        `leaf_index = ${index}`,
      );
      await expectFound({ code: 'leaf_changed', leafIndex: index, eventId: events[index]!.id });
    });

    it.each(['source', 'sequence', 'through'])('whose leaf has another %s', async (column) => {
      const value = column === 'source' ? `'${createEventId(0)}'` : '7777';
      await update('audit_leaves', `${t(column)} = ${value}`, `leaf_index = ${index}`);
      await expectFound({ code: 'leaf_changed', leafIndex: index });
    });

    it('that is changed together with its leaf', async () => {
      const { id: eventId } = events[index]!;
      await update('audit_events', `user_id = 'eve'`, `id = '${eventId}'`);
      const stolen = await app.audit.findById(eventId, { allTenants: true });
      const hash = eventLeafHash(stolen!).toString('base64');
      await update('audit_leaves', `leaf_hash = '${hash}'`, `leaf_index = ${index}`);
      // In a full tile the very event is named; at the edge, the leaves of its checkpoint.
      if (index < 256) await expectFound({ code: 'event_changed', eventId, leafIndex: index });
      else await expectFound({ code: 'leaf_changed', leafIndex: 200, treeSize: 300 });
    });
  });

  it.each([
    ['first', 0],
    ['last', EVENTS - 1],
  ])('finds the %s event deleted', async (_, index) => {
    await remove('audit_events', `id = '${events[index]!.id}'`);
    await expectFound({ code: 'event_missing', eventId: events[index]!.id, leafIndex: index });
  });

  it('finds an event inserted with a number that is taken, or behind the end of its source', async () => {
    const row = { ...sealed.get('audit_events')![10]! };
    for (const sequence of [11, EVENTS + 1]) {
      const id = createEventId(Date.now());
      const metadata = JSON.stringify({
        ...(JSON.parse(String(row['metadata'])) as object),
        sequence,
      });
      await raw.insert('audit_events', [{ ...row, id, sequence, metadata }]);
      await expectFound({ code: 'event_inserted', eventId: id, sequence });
      await remove('audit_events', `id = '${id}'`);
    }
  });

  it('finds two events swapped', async () => {
    const [a, b] = [events[20]!, events[21]!];
    const [first, second] = [a, b].map(({ id }) =>
      sealed.get('audit_events')!.find((row) => row['id'] === id)!,
    );
    await remove('audit_events', `id IN ('${a.id}', '${b.id}')`);
    await raw.insert('audit_events', [
      { ...first, id: b.id },
      { ...second, id: a.id },
    ]);
    await expectFound({ code: 'event_changed', eventId: a.id, leafIndex: 20 });
  });

  it('finds two leaves swapped', async () => {
    await update('audit_leaves', 'leaf_index = 100000', 'leaf_index = 290');
    await update('audit_leaves', 'leaf_index = 290', 'leaf_index = 291');
    await update('audit_leaves', 'leaf_index = 291', 'leaf_index = 100000');
    const { problems } = await expectFound({ code: 'sequence_gap', leafIndex: 290 });
    expect(problems.map(({ code }) => code)).toContain('sequence_disorder');
    expect(problems.map(({ code }) => code)).toContain('leaf_changed');
  });

  it('finds the tail cut off with its checkpoints: by the end of its source, and by a kept checkpoint', async () => {
    await remove('audit_events', `sequence > 200`);
    await remove('audit_leaves', `leaf_index >= 200`);
    await remove('audit_tiles', `level >= 0`);
    await remove('audit_checkpoints', `tree_size > 200`);
    await expectFound({ code: 'sequence_gap', sequence: 201 });
    await expectFound({ code: 'log_truncated', treeSize: 300 }, { checkpoints: [checkpoints[2]!.note] });
  });

  it('finds the log set back to an older state by a kept checkpoint', async () => {
    // What an attacker can't keep the process from noting is set back as well.
    await raw.query(`DELETE FROM ${t('audit_sources')}`);
    await remove('audit_events', `sequence > 100`);
    await remove('audit_leaves', `leaf_index >= 100`);
    await remove('audit_tiles', `level >= 0`);
    await remove('audit_checkpoints', `tree_size > 100`);
    expect(await app.audit.verify()).toMatchObject({ ok: true, treeSize: 100 });
    const kept = checkpoints.map(({ note }) => note);
    await expectFound({ code: 'log_truncated', treeSize: 200 }, { checkpoints: kept });
    // Also where a part is checked.
    await expectFound({ code: 'log_truncated', treeSize: 200 }, { checkpoints: kept, from: 10, to: 20 });
  });

  it('finds the leaves cut off, and their signed checkpoints left', async () => {
    await remove('audit_leaves', `leaf_index >= 200`);
    const { pending, problems } = await expectFound({ code: 'log_truncated', treeSize: 300 });
    expect(pending).toBe(100);
    // The tile is of more leaves than there are.
    expect(problems.map(({ code }) => code)).toEqual(['log_truncated', 'tile_changed']);
  });

  it('finds every hash and checkpoint computed anew with another key', async () => {
    await update('audit_events', `user_id = 'eve'`, `id = '${events[5]!.id}'`);
    await forge({ signingKey: generateKeys('audit.example').signerKey });
    await expectFound({ code: 'checkpoint_untrusted', treeSize: EVENTS });
    // And without any keys, by a checkpoint that was kept.
    await expectFound(
      { code: 'history_rewritten', treeSize: 100 },
      { keys: [], checkpoints: [checkpoints[0]!.note] },
    );
    // Also where its leaves are none of those that are checked.
    await expectFound(
      { code: 'history_rewritten', treeSize: 100 },
      { keys: [], checkpoints: [checkpoints[0]!.note], from: 150 },
    );
  });

  it('finds every hash and checkpoint computed anew without a key', async () => {
    await update('audit_events', `user_id = 'eve'`, `id = '${events[5]!.id}'`);
    await forge({ origin: 'audit.example' });
    const { problems } = await expectFound({ code: 'checkpoint_untrusted', treeSize: EVENTS });
    expect(problems[0]!.message).toContain('not signed');
    // It is believed only by who says that it had no key, and by who has none.
    expect(await app.audit.verify({ unsignedUntil: EVENTS })).toMatchObject({ ok: true, unsigned: 1 });
    await expectFound({ code: 'checkpoint_untrusted' }, { unsignedUntil: EVENTS - 1 });
    expect(await app.audit.verify({ keys: [] })).toMatchObject({ ok: true, signaturesChecked: false });
    // And nobody signs on top of it.
    const sealing = await startLedgerApp(
      { ...database, journal: `${database.journal}-sealer` },
      { ledger: { signingKey: keys.signerKey } },
    );
    await sealing.audit.record({ action: 'invoice.read' });
    await sealing.audit.flush();
    await expect(sealing.audit.checkpoint()).rejects.toMatchObject({
      code: 'AUDIT_LEDGER_BROKEN',
      message: expect.stringContaining(`unsignedUntil: ${EVENTS}`),
    });
    await sealing.close();
  });

  it('finds checkpoints of another log, even where the key is right', async () => {
    const { note } = await forge({ signingKey: keys.signerKey, origin: 'staging.example' });
    const { problems } = await expectFound({ code: 'checkpoint_untrusted', treeSize: EVENTS });
    expect(problems[0]!.message).toContain('staging.example');
    await expectFound({ code: 'checkpoint_untrusted' }, { origin: 'other.example' });
    expect(await app.audit.verify({ origin: 'staging.example' })).toMatchObject({ ok: true });
    // Kept ones are of the log that is meant.
    await expect(app.audit.verify({ checkpoints: [note] })).rejects.toMatchObject({
      code: 'AUDIT_INVALID_QUERY',
      field: 'checkpoints[0]',
    });
    await raw.restore(sealed);
    const [third] = sealed.get('audit_checkpoints')!.slice(2);
    await update(
      'audit_checkpoints',
      `note = '${note}', root_hash = '${parseCheckpoint(openNote(note, []).text).rootHash.toString('base64')}'`,
      `tree_size = ${String(third!['tree_size'])}`,
    );
    const reader = await startLedgerApp(
      { ...database, journal: `${database.journal}-reader` },
      { ledger: { seal: false, verifierKeys: [keys.verifierKey] }, delivery: AS_A_TOOL },
    );
    // Without any name given, the newest one tells.
    expect((await reader.audit.verify()).problems).toMatchObject(
      [100, 200].map((treeSize) => ({ code: 'checkpoint_untrusted', treeSize })),
    );
    await reader.close();
  });

  it('finds a tile altered, exchanged or gone', async () => {
    const [tile] = sealed.get('audit_tiles')!;
    const hashes = Buffer.from(String(tile!['hashes']), 'base64');
    hashes[32 * 77] = hashes[32 * 77]! ^ 1;
    await update('audit_tiles', `hashes = '${hashes.toString('base64')}'`, 'level = 0');
    const { problems } = await app.audit.verify();
    expect(problems[0]).toMatchObject({ code: 'tile_changed' });
    expect(problems).toContainEqual(expect.objectContaining({ code: 'tile_changed', leafIndex: 77 }));
    await raw.restore(sealed);
    await update('audit_tiles', `root = '${Buffer.alloc(32).toString('base64')}'`, 'level = 0');
    await expectFound({ code: 'tile_changed', leafIndex: 0 });
    await update('audit_tiles', `hashes = 'no hashes'`, 'level = 0');
    await expectFound({ code: 'tile_changed', leafIndex: 0 });
    await remove('audit_tiles', 'level = 0');
    await expectFound({ code: 'tile_missing', leafIndex: 0 });
  });

  it.each([
    ['root', `root_hash = '${Buffer.alloc(32).toString('base64')}'`],
    ['size', 'tree_size = 201'],
    ['predecessor', 'previous_size = 99'],
    ['note', `note = 'audit.example'`],
  ])('finds a checkpoint of another %s', async (_, set) => {
    await update('audit_checkpoints', set, 'tree_size = 200');
    const { problems } = await app.audit.verify();
    expect(problems[0]).toMatchObject({ code: 'checkpoint_changed' });
    expect([200, 201]).toContain(problems[0]!.treeSize);
  });

  it('finds a checkpoint whose signature was taken off, replaced, or that is gone', async () => {
    const [, second] = checkpoints;
    const text = second!.note.slice(0, second!.note.lastIndexOf('\n\n') + 1);
    await update('audit_checkpoints', `note = '${text}\n'`, 'tree_size = 200');
    await expectFound({ code: 'checkpoint_untrusted', treeSize: 200 });
    await update('audit_checkpoints', `note = '${checkpoints[0]!.note}'`, 'tree_size = 200');
    await expectFound({ code: 'checkpoint_changed', treeSize: 200 });
    await remove('audit_checkpoints', 'tree_size = 200');
    await expectFound({ code: 'checkpoint_missing', treeSize: 200 });
  });

  it('finds what was changed where a checkpoint stands twice', async () => {
    // A copy of the table has no key, as one whose key the owner has dropped.
    await raw.query(`ALTER TABLE ${t('audit_checkpoints')} RENAME TO ${t('audit_checkpoints_before')}`);
    await raw.query(
      `CREATE TABLE ${t('audit_checkpoints')} AS SELECT * FROM ${t('audit_checkpoints_before')}`,
    );
    try {
      await raw.insert('audit_checkpoints', [sealed.get('audit_checkpoints')![0]!]);
      const { problems: ofCopy } = await expectFound({ code: 'checkpoint_changed', treeSize: 100 });
      const { id } = events[290]!;
      await update('audit_events', `user_id = 'eve'`, `id = '${id}'`);
      const stolen = await app.audit.findById(id, { allTenants: true });
      await update(
        'audit_leaves',
        `leaf_hash = '${eventLeafHash(stolen!).toString('base64')}'`,
        'leaf_index = 290',
      );
      const { problems } = await app.audit.verify();
      expect(problems.filter(({ code }) => code !== 'leaf_changed')).toEqual(ofCopy);
      expect(problems).toContainEqual(
        expect.objectContaining({ code: 'leaf_changed', leafIndex: 200, treeSize: 300 }),
      );
    } finally {
      await raw.query(`DROP TABLE ${t('audit_checkpoints')}`);
      await raw.query(`ALTER TABLE ${t('audit_checkpoints_before')} RENAME TO ${t('audit_checkpoints')}`);
    }
  });

  // Other databases keep whole numbers alone in the column.
  if (name === 'sqlite') {
    it('finds what was changed where a checkpoint has a size that is none', async () => {
      const [first] = sealed.get('audit_checkpoints')!;
      for (const size of [100.5, 299.5]) {
        await raw.insert('audit_checkpoints', [{ ...first, tree_size: size, previous_size: 1 }]);
        const { id } = events[290]!;
        await update('audit_events', `user_id = 'eve'`, `id = '${id}'`);
        const stolen = await app.audit.findById(id, { allTenants: true });
        const hash = eventLeafHash(stolen!).toString('base64');
        await update('audit_leaves', `leaf_hash = '${hash}'`, 'leaf_index = 290');
        const { problems } = await app.audit.verify();
        expect(problems).toEqual([
          expect.objectContaining({ code: 'leaf_changed', leafIndex: 200, treeSize: 300 }),
          expect.objectContaining({
            code: 'checkpoint_changed',
            message: expect.stringContaining('whose size'),
          }),
        ]);
        await raw.restore(sealed);
      }
    });
  }

  it('finds a leaf that nobody vouches for', async () => {
    const leaf = sealed.get('audit_leaves')!.at(-1)!;
    await raw.insert('audit_leaves', [{ ...leaf, leaf_index: EVENTS, event_id: createEventId(0) }]);
    await expectFound({ code: 'leaf_inserted', leafIndex: EVENTS });
  });

  it('names the problems up to a limit, and counts the rest', async () => {
    await update('audit_events', `user_id = 'eve'`, '1 = 1');
    const result = await app.audit.verify({ maxProblems: 3 });
    expect(result.problems.map(({ leafIndex }) => leafIndex)).toEqual([0, 1, 2]);
    expect(result.moreProblems).toBe(EVENTS - 3);
  });

  for (const other of ['sqlite', 'postgres', 'mysql'] as const) {
    const missing = missingReason(other);
    const title = `is not suspected of a log that was copied to ${other}`;
    if (missing !== undefined) {
      it.skip(`${title}, skipped: ${missing}`, () => undefined);
      continue;
    }
    it(title, async () => {
      const copy: TestDatabase = await createDatabase(other);
      const tables = await RawTables.open(copy);
      await tables.restore(sealed);
      await tables.close();
      const moved = await startLedgerApp(copy, { ledger: { signingKey: keys.signerKey } });
      const options = { checkpoints: checkpoints.map(({ note }) => note) };
      expect(await moved.audit.verify(options)).toMatchObject({ ok: true, events: EVENTS, problems: [] });
      // And goes on there.
      await moved.audit.record({ action: 'invoice.read' });
      await moved.audit.flush();
      expect(await moved.audit.checkpoint()).toMatchObject({ treeSize: EVENTS + 1 });
      expect(await moved.audit.verify(options)).toMatchObject({ ok: true, events: EVENTS + 1 });
      await moved.close();
      await copy.drop();
    });
  }
});
