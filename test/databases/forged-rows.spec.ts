// Whoever may INSERT, as the application may: rows that no sealer has written hide nothing, and hold up nothing unseen.
import 'reflect-metadata';
import type { AuditLogEvent, SignedCheckpoint } from 'nest-audit-trail';
import { createEventId } from '../../src/event/event-id.js';
import { eventLeafHash, generateKeys } from '../../src/ledger/index.js';
import { toRow, ROW_COLUMNS } from '../../src/store/event-row.js';
import { numbered, openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { writeNote } from '../support/source-notes.js';
import { AS_A_TOOL, LEDGER_TABLES, RawTables, startLedgerApp } from '../support/ledger-app.js';
import type { LedgerApp, Snapshot } from '../support/ledger-app.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { ask } from '../support/stored-rows.js';

const keys = generateKeys('audit.example');
const ledger = { signingKey: keys.signerKey, gapTimeoutMs: 0 };

describeEachDatabase('forged rows', (create, name) => {
  let database: TestDatabase;
  let store: AuditStore;
  let raw: RawTables;
  let app: LedgerApp;
  let gap: AuditLogEvent;
  /** Its numbers 1 and 5 are sealed, 2 to 4 recorded as lost, and it has not ended. */
  const source = createEventId(Date.now());
  let sound: Snapshot;
  let sealer: LedgerApp | undefined;

  beforeAll(async () => {
    database = await create();
    store = await openStore(database.options);
    await store.events.append([numbered(source, 1), numbered(source, 5)]);
    await writeNote(store, { source, kind: 'reached', sequence: 5 }, keys.signerKey);
    const writer = await startLedgerApp(database, { ledger, delivery: AS_A_TOOL });
    await writer.audit.checkpoint();
    [gap] = (await writer.audit.find({ allTenants: true, action: 'audit.gap' })).events as [AuditLogEvent];
    await writer.close();
    raw = await RawTables.open(database);
    app = await startLedgerApp(database, { ledger: { ...ledger, seal: false }, delivery: AS_A_TOOL });
    sound = await raw.snapshot([...LEDGER_TABLES, 'audit_sources', 'audit_leases']);
  });

  afterEach(async () => {
    await raw.restore(sound);
  });

  afterAll(async () => {
    await sealer?.close();
    await app.close();
    await raw.close();
    await store.close();
    await database.drop();
  });

  const t = (table: string) => raw.q(table);
  const SIZE = 3;

  /** By an application that serves until it has sealed: then it knows of more than the log that is put back. */
  async function seal(): Promise<SignedCheckpoint> {
    sealer ??= await startLedgerApp({ ...database, journal: `${database.journal}-sealer` }, { ledger });
    const checkpoint = await sealer.audit.checkpoint();
    await sealer.close();
    sealer = undefined;
    return checkpoint;
  }

  /** With what the application of before has written of itself at its end, where it had anything. */
  const problemsOf = async (audit = app.audit) =>
    (await audit.verify()).problems.filter(({ eventId }) => eventId !== gap.id);

  async function insertEvent(event: AuditLogEvent, more: Record<string, unknown> = {}): Promise<void> {
    const values = toRow(event);
    const row = Object.fromEntries(ROW_COLUMNS.map((column, index) => [column, values[index]]));
    await raw.insert('audit_events', [{ ...row, ...more }]);
  }

  const insertLeaf = (event: AuditLogEvent, leafIndex: number | string, more: Record<string, unknown> = {}) =>
    raw.insert('audit_leaves', [
      {
        leaf_index: leafIndex,
        event_id: event.id,
        source: null,
        sequence: null,
        through: null,
        leaf_hash: eventLeafHash(event).toString('base64'),
        ...more,
      },
    ]);

  function unnumbered(): AuditLogEvent {
    const { metadata: _, ...event } = numbered('a', 1);
    return { ...event, metadata: {} };
  }

  it('are none in a sound log, but for what was lost', async () => {
    const { problems, ...result } = await app.audit.verify();
    expect(result).toMatchObject({ treeSize: SIZE, events: SIZE, pending: 0 });
    expect(problems).toMatchObject([{ code: 'sequence_gap', source, sequence: 2, eventId: gap.id }]);
  });

  it.each([-1, 10_000_000, '9223372036854775807'])('hide no event behind leaf %s', async (leafIndex) => {
    const forged = unnumbered();
    await insertEvent(forged);
    await insertLeaf(forged, leafIndex);
    expect(await app.audit.verify()).toMatchObject({ ok: false, pending: 1 });
    const [problem] = await problemsOf();
    expect(problem).toMatchObject({ code: 'leaf_inserted', eventId: forged.id });
    expect(problem!.message).toContain(forged.id);
    expect(await problemsOf()).toHaveLength(1);
    // The event is to be sealed, and can't be: it is said why.
    await expect(seal()).rejects.toMatchObject({
      code: 'AUDIT_LEDGER_BROKEN',
      message: expect.stringContaining(forged.id),
    });
    await expect(sealer!.audit.prove(forged.id)).rejects.toMatchObject({ code: 'AUDIT_LEDGER_BROKEN' });
  });

  it('stop no source by a leaf of numbers that are far ahead', async () => {
    for (const leafIndex of [-7, 10_000_000]) {
      await insertLeaf(unnumbered(), leafIndex, { source, sequence: 6, through: 9_000_000_000_000_000 });
    }
    const next = numbered(source, 6);
    await store.events.append([next]);
    expect(await seal()).toMatchObject({ treeSize: SIZE + 1 });
    expect(await app.audit.prove(next.id)).toMatchObject({ leafIndex: SIZE });
    expect(await problemsOf()).toMatchObject([
      { code: 'leaf_inserted', leafIndex: -7 },
      { code: 'leaf_inserted', leafIndex: 10_000_000 },
    ]);
  });

  it.each<AuditLogEvent['metadata']>([{ unreadable: ['details'] }, { protected: 'by nobody' }])(
    'are no events where they say %j, so they are not sealed',
    async (metadata) => {
      const forged = { ...unnumbered(), metadata };
      await insertEvent(forged);
      await store.events.append([numbered(source, 6)]);
      expect(await seal()).toMatchObject({ treeSize: SIZE + 1 });
      expect(await problemsOf()).toMatchObject([{ code: 'event_inserted', eventId: forged.id }]);
    },
  );

  it('are told of one by one, up to a limit', async () => {
    const leaves = Array.from({ length: 1_200 }, (_, index) => ({
      leaf_index: 5_000 + index,
      event_id: createEventId(index),
      source: null,
      sequence: null,
      through: null,
      leaf_hash: 'none',
    }));
    await raw.insert('audit_leaves', leaves);
    const { problems } = await app.audit.verify({ maxProblems: 5_000 });
    const inserted = problems.filter(({ code }) => code === 'leaf_inserted');
    expect(inserted).toHaveLength(1_001);
    expect(inserted.at(-1)!.message).toContain('200 more');
  });

  it.each([
    [1_000_000_000_000, 12_345],
    [1_000_000_000_000, SIZE],
    ['9223372036854775807', SIZE],
    [-1, SIZE],
    [0, SIZE],
    [2, SIZE],
  ])('claim no log of %s leaves behind %s', async (treeSize, previousSize) => {
    const [head] = await raw.rows('audit_checkpoints', 'tree_size');
    await raw.insert('audit_checkpoints', [
      { ...head, tree_size: treeSize, previous_size: previousSize, note: 'audit.example' },
    ]);
    const result = await app.audit.verify();
    expect(result).toMatchObject({ ok: false, treeSize: SIZE });
    const found = await problemsOf();
    expect(found.map(({ code }) => code)).toContain('checkpoint_changed');
    // A number of 64 bits may be rounded.
    expect(found[0]!.message).toContain(`of ${String(treeSize).slice(0, 12)}`);
    // Only one that is in the way holds the sealer up, and is named.
    await store.events.append([numbered(source, 6)]);
    if (previousSize === SIZE) {
      await expect(seal()).rejects.toMatchObject({
        code: 'AUDIT_LEDGER_BROKEN',
        message: expect.stringContaining(`checkpoint of ${String(treeSize).slice(0, 12)}`),
      });
    } else expect(await seal()).toMatchObject({ treeSize: SIZE + 1 });
  });

  it('claim no log by a checkpoint with a leaf of its own', async () => {
    const [head] = await raw.rows('audit_checkpoints', 'tree_size');
    await insertLeaf(unnumbered(), 1_000_000_000_000);
    await raw.insert('audit_checkpoints', [{ ...head, tree_size: 1_000_000_000_001, previous_size: SIZE }]);
    const found = await problemsOf();
    expect(found.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['checkpoint_changed', 'leaf_missing', 'tile_missing']),
    );
    await expect(seal()).rejects.toMatchObject({
      code: 'AUDIT_LEDGER_BROKEN',
      message: expect.stringContaining('1000000000001'),
    });
  });

  it('are found among the tiles', async () => {
    await raw.insert('audit_tiles', [
      { level: 0, tile_index: 0, root: 'none', hashes: 'none' },
      { level: 9, tile_index: 3, root: 'none', hashes: 'none' },
    ]);
    expect((await problemsOf()).map(({ message }) => message)).toEqual([
      expect.stringContaining('Tile 0 of level 0'),
      expect.stringContaining('Tile 3 of level 9'),
    ]);
  });

  it('close no gap: not by events of other numbers that wait', async () => {
    await store.events.append([6, 7, 8, 9].map((sequence) => numbered(source, sequence)));
    const { problems, pending } = await app.audit.verify();
    expect(pending).toBe(4);
    expect(problems).toMatchObject([{ code: 'sequence_gap', sequence: 2, eventId: gap.id }]);
    expect(problems[0]!.message).toContain('3 events');
    await writeNote(store, { source, kind: 'abandoned', sequence: 12 }, keys.signerKey);
    expect((await app.audit.verify()).problems).toMatchObject([
      { code: 'sequence_gap', sequence: 2 },
      { code: 'sequence_gap', sequence: 6, message: expect.stringContaining('3 are missing') },
    ]);
  });

  it('close no gap: not by a source that its event is given', async () => {
    await raw.query(
      `UPDATE ${t('audit_events')} SET source = '${source}', sequence = 2 WHERE id = '${gap.id}'`,
    );
    const { problems } = await app.audit.verify();
    expect(problems).toContainEqual(
      expect.objectContaining({ code: 'event_changed', eventId: gap.id, leafIndex: 1 }),
    );
    expect(problems).toContainEqual(expect.objectContaining({ code: 'sequence_gap', sequence: 2 }));
    await raw.query(`UPDATE ${t('audit_events')} SET sequence = NULL WHERE id = '${gap.id}'`);
    expect((await app.audit.verify()).problems.map(({ code }) => code)).toContain('event_changed');
  });

  it('look genuine with the next number of a source, until its own event comes', async () => {
    const [forged, genuine] = [numbered(source, 6), numbered(source, 6)];
    await insertEvent(forged);
    expect(await problemsOf()).toEqual([]);
    await seal();
    expect(await problemsOf()).toEqual([]);
    await store.events.append([genuine]);
    expect(await problemsOf()).toMatchObject([{ code: 'event_inserted', eventId: genuine.id, sequence: 6 }]);
  });

  it('look genuine with a number that was lost', async () => {
    const forged = numbered(source, 3);
    await insertEvent(forged);
    await seal();
    // What was lost beside it is still told of.
    expect((await app.audit.verify()).problems.map(({ sequence }) => sequence)).toEqual([2, 4]);
  });

  it('look genuine without a number', async () => {
    await insertEvent(unnumbered());
    await seal();
    expect(await problemsOf()).toEqual([]);
  });

  it('are found where the number is another than the metadata says', async () => {
    const forged = { ...numbered(source, 2), metadata: {} };
    await insertEvent(forged, { source, sequence: 2 });
    expect(await seal()).toMatchObject({ treeSize: SIZE });
    expect(await problemsOf()).toMatchObject([{ code: 'event_inserted', eventId: forged.id }]);
  });

  if (name !== 'sqlite') return;

  describe('of a type that SQLite takes in any column', () => {
    it.each([
      ['tenant_id', 'CAST(tenant_id AS BLOB)'],
      ['action', 'CAST(action AS BLOB)'],
      ['severity', 'CAST(severity AS BLOB)'],
      ['metadata', 'CAST(metadata AS BLOB)'],
      ['timestamp', 'timestamp + 0.5'],
      ['timestamp', 'CAST(timestamp AS BLOB)'],
      ['risk_score', 'CAST(risk_score AS BLOB)'],
      ['source', 'CAST(source AS TEXT)'],
      ['sequence', 'CAST(sequence AS BLOB)'],
    ])('change an event: %s', async (column, value) => {
      const [{ event_id: id }] = (await raw.rows('audit_leaves', 'leaf_index')) as [Record<string, string>];
      await raw.query(`UPDATE audit_events SET ${column} = ${value} WHERE id = '${id}'`);
      const [problem] = await problemsOf();
      expect(problem).toMatchObject({ code: 'event_changed', eventId: id, leafIndex: 0 });
      expect(problem!.message).toContain(column);
    });

    it('change a leaf', async () => {
      await raw.query('UPDATE audit_leaves SET source = CAST(source AS TEXT) WHERE leaf_index = 0');
      expect((await problemsOf()).map(({ code }) => code)).toContain('leaf_changed');
    });

    it('hold up nothing where they are inserted, and are found before and after', async () => {
      const [odd, hidden] = [unnumbered(), unnumbered()];
      await insertEvent(odd, { tenant_id: Buffer.from('acme') });
      await insertEvent(hidden, { id: Buffer.from(hidden.id) });
      const named = async () => (await problemsOf()).map(({ code, eventId }) => [code, eventId]);
      const both = [odd, hidden].map(({ id }) => ['event_inserted', id]);
      expect(await named()).toEqual(both);
      await store.events.append([numbered(source, 6)]);
      expect(await seal()).toMatchObject({ treeSize: SIZE + 1 });
      expect(await named()).toEqual(both);
      await raw.query(`DELETE FROM audit_events WHERE length(id) <> 16 OR typeof(tenant_id) = 'blob'`);
      expect(await named()).toEqual([]);
    });
  });
});

const UNIQUE = ['id', 'event_id', 'leaf_index', 'tile_index', 'tree_size', 'previous_size'];

describeEachDatabase('the database', (create, name) => {
  let store: AuditStore;
  let app: LedgerApp;

  beforeAll(async () => {
    const database = await create();
    store = await openStore(database.options);
    app = await startLedgerApp(database, { ledger: { signingKey: keys.signerKey } });
    await Promise.all(Array.from({ length: 260 }, () => app.audit.record({ action: 'thing.create' })));
    await app.audit.flush();
    await app.audit.checkpoint();
    await store.letters.keep(numbered('a', 1), 'refused');
  });

  afterAll(async () => {
    await app.close();
    await store.close();
  });

  /** Inserts a copy of a row, with other keys. */
  async function insertLike(
    table: string,
    change: Readonly<Record<string, string>> = {},
    insert = 'INSERT',
  ): Promise<unknown> {
    const { connection } = store;
    const q = (column: string) => connection.driver.escape(column);
    const [row] = (await connection.query(`SELECT * FROM ${table} LIMIT 1`)) as [Record<string, unknown>];
    const values = Object.keys(row).map((column) => {
      if (change[column] !== undefined) return [column, change[column]];
      const other = column.endsWith('id') ? `'${createEventId(0)}'` : `${q(column)} + 70000`;
      return [column, UNIQUE.includes(column) ? other : q(column)];
    });
    if (change['rowid'] !== undefined) values.push(['rowid', change['rowid']]);
    const [into, from] = [values.map(([column]) => q(column!)), values.map(([, value]) => value)];
    return ask(
      connection,
      `${insert} INTO ${table} (${into.join(', ')}) SELECT ${from.join(', ')} FROM ${table} LIMIT 1`,
    );
  }

  it('takes no row in place of another', async () => {
    // PostgreSQL has no such statement.
    if (name === 'postgres') return;
    const { connection } = store;
    const replace = name === 'sqlite' ? 'INSERT OR REPLACE' : 'REPLACE';
    for (const table of [...LEDGER_TABLES, 'audit_sources', 'audit_dead_letters']) {
      const refused = `${table} is append-only`;
      const [{ count }] = (await connection.query(`SELECT COUNT(*) AS count FROM ${table}`)) as [
        { count: number },
      ];
      expect(Number(count)).toBeGreaterThan(0);
      await expect(connection.query(`${replace} INTO ${table} SELECT * FROM ${table}`)).rejects.toThrow(
        refused,
      );
      // Another key, and the place of a row that is there.
      if (name === 'sqlite') {
        await expect(insertLike(table, { rowid: 'rowid' }, replace)).rejects.toThrow(refused);
      }
    }
    for (const [table, key] of [
      ['audit_leaves', 'event_id'],
      ['audit_leaves', 'leaf_index'],
      ['audit_checkpoints', 'previous_size'],
    ] as const) {
      const change = { [key]: connection.driver.escape(key) };
      await expect(insertLike(table, change, replace)).rejects.toThrow(`${table} is append-only`);
    }
    // The store by itself has no key to sign the letter.
    expect(await app.audit.verify()).toMatchObject({
      events: 260,
      problems: [{ code: 'dead_letter_untrusted' }],
    });
  });

  it('takes an event once, without a word', async () => {
    const [one, two] = [numbered('a', 1), numbered('a', 2)];
    await store.events.append([one]);
    await store.events.append([one, two]);
    expect(await store.events.find({ tenantId: 'acme' }, { limit: 9, order: 'oldest' })).toHaveLength(2);
    await store.letters.keep(one, 'refused');
    await store.letters.keep(one, 'refused');
  });

  it('refuses what no row of the log has', async () => {
    for (const [table, change] of [
      ['audit_leaves', { leaf_index: '-1' }],
      ['audit_tiles', { tile_index: '-1' }],
      ['audit_checkpoints', { tree_size: '-1' }],
      ['audit_checkpoints', { previous_size: 'tree_size + 70000' }],
      ...(name === 'sqlite'
        ? ([
            ['audit_events', { tenant_id: 'CAST(tenant_id AS BLOB)' }],
            ['audit_events', { timestamp: "'soon'" }],
            ['audit_events', { id: 'CAST(id AS TEXT)' }],
            ['audit_events', { severity: "'low'" }],
            ['audit_leaves', { source: 'CAST(source AS TEXT)' }],
            ['audit_leaves', { source: 'substr(source, 2)' }],
          ] as [string, Record<string, string>][])
        : []),
    ] as [string, Record<string, string>][]) {
      await expect(insertLike(table, change)).rejects.toThrow(/check|constraint/i);
    }
    // So it was not for something else. Of the tests, this is the last: nobody puts the log right again.
    await insertLike('audit_leaves');
  });
});
