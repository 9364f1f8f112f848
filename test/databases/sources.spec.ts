// What is missing: the sources of events, the gaps in their numbers, and what is noted of each.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import fc from 'fast-check';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { AuditModule, AuditService } from 'nest-audit-trail';
import { AUDIT_ENTITIES, AuditDeadLetterEntity, AuditSourceEntity } from 'nest-audit-trail/typeorm';
import type { AuditDatabaseOptions, AuditLogEvent, AuditSource } from 'nest-audit-trail';
import { createEventId } from '../../src/event/event-id.js';
import { numbered, openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { dropTriggers } from '../support/ledger-app.js';
import { insertRows } from '../support/event-rows.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { ask } from '../support/stored-rows.js';
import { writeNote } from '../support/source-notes.js';

const newSource = () => createEventId(Date.now());
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** The runs of numbers from 1 to `known` that are not in the set. */
function gapsOf(seen: ReadonlySet<number>, known: number): { from: number; to: number }[] {
  const gaps: { from: number; to: number }[] = [];
  for (const sequence of range(1, known)) {
    if (seen.has(sequence)) continue;
    const last = gaps.at(-1);
    if (last?.to === sequence - 1) last.to = sequence;
    else gaps.push({ from: sequence, to: sequence });
  }
  return gaps;
}

describeEachDatabase('sources', (create, name) => {
  let database: TestDatabase;
  let store: AuditStore;
  let app: INestApplicationContext | undefined;

  beforeEach(async () => {
    database = await create();
    store = await openStore(database.options);
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await store.close();
    await database.drop();
  });

  const record = (source: string, sequences: readonly number[], more?: Partial<AuditLogEvent>) =>
    store.events.append(sequences.map((sequence) => numbered(source, sequence, more)));
  const keep = async (source: string, sequences: readonly number[]) => {
    const letters = sequences.map((sequence) => numbered(source, sequence));
    for (const letter of letters) await store.letters.keep(letter, 'refused');
    return letters;
  };
  const summaryOf = async (source: string): Promise<AuditSource> => {
    const found = (await store.sources.summaries()).filter((summary) => summary.source === source);
    expect(found).toHaveLength(1);
    return found[0]!;
  };

  it('knows no source where nothing was recorded', async () => {
    await store.events.ping();
    expect(await store.sources.summaries()).toEqual([]);
  });

  it('tells a whole source from one with gaps, newest first', async () => {
    const [whole, torn] = [newSource(), newSource()];
    await record(whole, range(1, 7), { timestamp: 1_700_000_000_000 });
    await record(torn, [2, 3, 7], { timestamp: 1_700_000_000_001 });
    expect(await store.sources.summaries()).toEqual([
      {
        source: torn,
        state: 'open',
        firstSequence: 2,
        lastSequence: 7,
        events: 3,
        gaps: [
          { from: 1, to: 1 },
          { from: 4, to: 6 },
        ],
        lastSeen: 1_700_000_000_001,
      },
      {
        source: whole,
        state: 'open',
        firstSequence: 1,
        lastSequence: 7,
        events: 7,
        gaps: [],
        lastSeen: 1_700_000_000_000,
      },
    ]);
  });

  it('finds what was deleted among thousands, and the tail that the closing note tells of', async () => {
    const source = newSource();
    await record(source, range(1, 5_000));
    await dropTriggers(store.connection, database);
    await writeNote(store, { source, kind: 'closed', sequence: 5_000 });
    expect(await summaryOf(source)).toMatchObject({ events: 5_000, gaps: [], state: 'closed' });
    for (const [from, to] of [
      [1, 3],
      [100, 100],
      [2_000, 2_999],
      [4_998, 5_000],
    ]) {
      await ask(
        store.connection,
        `DELETE FROM audit_events WHERE source = '${source}' AND sequence BETWEEN ${from} AND ${to}`,
      );
    }
    expect(await summaryOf(source)).toEqual({
      source,
      state: 'closed',
      firstSequence: 4,
      lastSequence: 4_997,
      events: 3_993,
      gaps: [
        { from: 1, to: 3 },
        { from: 100, to: 100 },
        { from: 2_000, to: 2_999 },
        { from: 4_998, to: 5_000 },
      ],
      lastSeen: expect.any(Number),
      process: '{}',
    });
  });

  it('hides no gap behind a leaf that is not in the log, also after a removal', async () => {
    const source = newSource();
    await record(source, [1, 2, 5]);
    const { metadata, ...event } = numbered(source, 6, { action: 'audit.removal' });
    expect(metadata).toMatchObject({ source });
    await store.events.append([{ ...event, metadata: {} }]);
    const leaf = {
      leaf_index: 7,
      event_id: event.id,
      source,
      sequence: 1,
      through: 1_000,
      leaf_hash: 'A'.repeat(44),
    };
    await insertRows(store.connection, 'audit_leaves', [leaf]);
    expect(await summaryOf(source)).toMatchObject({ gaps: [{ from: 3, to: 4 }] });
  });

  it('shows what the log has recorded as lost, and not what was removed', async () => {
    const source = newSource();
    await record(source, [5]);
    const [removal, gap] = ['audit.removal', 'audit.gap'].map((action) => ({
      ...numbered(source, 6, { action, tenantId: 'default' }),
      metadata: {},
    })) as [AuditLogEvent, AuditLogEvent];
    await store.events.append([removal, gap]);
    const leaves = [
      { event_id: gap.id, sequence: 3, through: 4 },
      { event_id: newSource(), sequence: 5, through: 5 },
    ].map((leaf, leaf_index) => ({ leaf_index, source, leaf_hash: 'A'.repeat(44), ...leaf }));
    await insertRows(store.connection, 'audit_leaves', leaves);
    const head = { tree_size: 2, previous_size: 0, root_hash: 'A'.repeat(44), note: '' };
    await insertRows(store.connection, 'audit_checkpoints', [head]);
    expect(await summaryOf(source)).toMatchObject({ gaps: [{ from: 3, to: 4 }] });
  });

  it('makes no gap up where a leaf says that it ends before it begins', async () => {
    const source = newSource();
    await record(source, [1, 2, 3, 4, 5, 6, 7, 8, 9, 12]);
    const { metadata: _metadata, ...removal } = numbered(source, 13, { action: 'audit.removal' });
    const { metadata: _other, ...gap } = numbered(source, 14, { action: 'audit.gap' });
    await store.events.append([removal, gap].map((event) => ({ ...event, metadata: {} })));
    const leaf = { event_id: gap.id, source, sequence: 9, through: 5, leaf_hash: 'A'.repeat(44) };
    await insertRows(store.connection, 'audit_leaves', [{ leaf_index: 0, ...leaf }]);
    const head = { tree_size: 1, previous_size: 0, root_hash: 'A'.repeat(44), note: '' };
    await insertRows(store.connection, 'audit_checkpoints', [head]);
    expect(await summaryOf(source)).toMatchObject({ gaps: [{ from: 10, to: 11 }] });
  });

  it('lists a thousand gaps, and says that there are more', async () => {
    const [many, more] = [newSource(), newSource()];
    await record(
      many,
      range(1, 1_000).map((index) => index * 2),
    );
    await record(
      more,
      range(1, 1_001).map((index) => index * 2),
    );
    const listed = range(1, 1_000).map((index) => ({ from: index * 2 - 1, to: index * 2 - 1 }));
    const thousand = await summaryOf(many);
    expect(thousand.gaps).toEqual(listed);
    expect(thousand).not.toHaveProperty('moreGaps');
    expect(await summaryOf(more)).toMatchObject({ gaps: listed, moreGaps: true });
  });

  it('is not fooled by a number that is there twice', async () => {
    const source = newSource();
    await record(source, [1, 2, 2, 4]);
    await keep(source, [4]);
    expect(await summaryOf(source)).toMatchObject({
      events: 4,
      deadLetters: 1,
      gaps: [{ from: 3, to: 3 }],
    });
  });

  it('counts a dead letter as known, until and after it is replayed', async () => {
    const source = newSource();
    await record(source, [1, 3]);
    const letters = await keep(source, [2, 4]);
    expect(await summaryOf(source)).toMatchObject({
      firstSequence: 1,
      lastSequence: 4,
      events: 2,
      deadLetters: 2,
      gaps: [],
    });
    await store.events.append(letters.slice(0, 1));
    expect(await summaryOf(source)).toMatchObject({ events: 3, deadLetters: 1, gaps: [] });
    await store.events.append(letters);
    const summary = await summaryOf(source);
    expect(summary).toMatchObject({ events: 4, gaps: [] });
    expect(summary).not.toHaveProperty('deadLetters');
  });

  it('knows a source by its notes or its dead letters alone', async () => {
    const [noted, refused, idle] = [newSource(), newSource(), newSource()];
    await writeNote(store, { source: noted, kind: 'abandoned', sequence: 3, process: '{"host":"ü🧾"}' });
    await writeNote(store, { source: idle, kind: 'closed', sequence: 0 });
    await keep(refused, [2]);
    expect(await summaryOf(noted)).toEqual({
      source: noted,
      state: 'unclean',
      events: 0,
      gaps: [{ from: 1, to: 3 }],
      lastSeen: expect.any(Number),
      process: '{"host":"\\u00fc\\ud83e\\uddfe"}',
    });
    expect(await summaryOf(idle)).toMatchObject({ state: 'closed', events: 0, gaps: [] });
    expect(await summaryOf(refused)).toEqual({
      source: refused,
      state: 'open',
      firstSequence: 2,
      lastSequence: 2,
      events: 0,
      deadLetters: 1,
      gaps: [{ from: 1, to: 1 }],
    });
  });

  it('has the state of the newest note, and the highest sequence of all', async () => {
    const source = newSource();
    const states: unknown[] = [];
    const notes = [
      ['started', 0],
      ['abandoned', 4],
      ['resumed', 4],
      ['closed', 2],
      ['resumed', 2],
    ] as const;
    for (const [kind, sequence] of notes) {
      const before = Date.now();
      await writeNote(store, { source, kind, sequence, process: `{"kind":"${kind}"}` });
      const { state, process, gaps, lastSeen } = await summaryOf(source);
      states.push([state, process, gaps]);
      expect(lastSeen).toBeGreaterThanOrEqual(before);
    }
    const missing = [{ from: 1, to: 4 }];
    expect(states).toEqual([
      ['open', '{"kind":"started"}', []],
      ['unclean', '{"kind":"abandoned"}', missing],
      ['open', '{"kind":"resumed"}', missing],
      ['closed', '{"kind":"closed"}', missing],
      ['open', '{"kind":"resumed"}', missing],
    ]);
  });

  it('has ended by its last note, also where its clock was set back since it started', async () => {
    const source = newSource();
    await record(source, [1, 2]);
    await writeNote(store, { source, kind: 'started', sequence: 0 }, undefined, Date.now() + 7_200_000);
    await writeNote(store, { source, kind: 'closed', sequence: 3 });
    expect(await summaryOf(source)).toMatchObject({ state: 'closed', gaps: [{ from: 3, to: 3 }] });
  });

  it('answers as counting by hand does, whatever is where', async () => {
    const sequences = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 30 });
    const samples = fc.sample(
      fc.record({
        stored: sequences,
        refused: fc.subarray(range(1, 30), { maxLength: 4 }),
        noted: fc.nat(40),
      }),
      { numRuns: 40, seed: 11 },
    );
    const expected = new Map<string, object>();
    for (const { stored, refused, noted } of samples) {
      const source = newSource();
      await record(source, stored);
      await keep(source, refused);
      await writeNote(store, { source, kind: 'started', sequence: noted });
      const seen = new Set([...stored, ...refused]);
      expected.set(source, {
        events: stored.length,
        deadLetters: refused.length || undefined,
        firstSequence: seen.size > 0 ? Math.min(...seen) : undefined,
        lastSequence: seen.size > 0 ? Math.max(...seen) : undefined,
        gaps: gapsOf(seen, Math.max(noted, ...seen)),
      });
    }
    const summaries = await store.sources.summaries();
    expect(summaries).toHaveLength(samples.length);
    for (const { source, events, deadLetters, firstSequence, lastSequence, gaps } of summaries) {
      expect({ events, deadLetters, firstSequence, lastSequence, gaps }).toEqual(expected.get(source));
    }
  });

  it('writes the number into columns as well, where it is one of the library', async () => {
    const good = numbered(newSource(), 7);
    const forged = [
      { source: 'x'.repeat(37), sequence: 1 },
      { source: 'a\u0000', sequence: 1 },
      { source: 'Zażółć', sequence: 1 },
      { source: '', sequence: 1 },
      { source: 7, sequence: 1 },
      { source: newSource().toUpperCase(), sequence: 1 },
      { source: 'a', sequence: 1.5 },
      { source: 'a', sequence: 0 },
      { source: 'a', sequence: 2 ** 60 },
      { source: 'a', sequence: '1' },
      { source: 'a' },
      { sequence: 1 },
      {},
    ].map((metadata) => ({ ...numbered('a', 1), metadata }) as AuditLogEvent);
    await store.events.append([good, ...forged]);
    for (const letter of forged) await store.letters.keep({ ...letter, id: newSource() }, 'refused');
    const rows = await ask<{ id: string; source: string; sequence: string }>(
      store.connection,
      'SELECT id, source, sequence FROM audit_events WHERE source IS NOT NULL OR sequence IS NOT NULL',
    );
    expect(rows.map((row) => [row.id, row.source, Number(row.sequence)])).toEqual([
      [good.id, good.metadata['source'], 7],
    ]);
    expect(await store.events.findById(good.id, {})).toEqual(good);
    expect(await store.events.findById(forged[2]!.id, {})).toEqual(forged[2]);
    expect(await store.sources.summaries()).toHaveLength(1);
  });

  it("keeps to the data source's prefix and schema", async () => {
    const other = await create();
    const connection = await new DataSource(other.options).initialize();
    if (name === 'postgres') await connection.query('CREATE SCHEMA ledgers');
    await connection.destroy();
    const place = { entityPrefix: 'app_', ...(name === 'postgres' && { schema: 'ledgers' }) };
    const placed = await openStore({ ...other.options, ...place } as AuditDatabaseOptions);
    const source = newSource();
    await placed.events.append([numbered(source, 1)]);
    const letter = numbered(source, 3);
    await placed.letters.keep(letter, 'refused');
    await placed.letters.keep(letter, 'refused');
    await writeNote(placed, { source, kind: 'closed', sequence: 4 });
    const gaps = [
      { from: 2, to: 2 },
      { from: 4, to: 4 },
    ];
    const summary = { source, state: 'closed', events: 1, deadLetters: 1, gaps };
    expect(await placed.sources.summaries()).toMatchObject([summary]);
    expect(await placed.letters.find({ limit: 9 })).toMatchObject([{ event: letter }]);
    for (const table of ['audit_events', 'audit_dead_letters', 'audit_sources']) {
      const full = `${name === 'postgres' ? 'ledgers.' : ''}app_${table}`;
      expect(await placed.connection.query(`SELECT id FROM ${full}`)).toHaveLength(1);
    }
    await placed.close();
    // The entities name the same tables and columns.
    const entities = await new DataSource({
      ...other.options,
      ...place,
      entities: AUDIT_ENTITIES,
    } as DataSourceOptions).initialize();
    const [kept] = await entities.getRepository(AuditDeadLetterEntity).find();
    expect({ ...kept, sequence: Number(kept!.sequence) }).toMatchObject({
      id: letter.id,
      tenantId: 'acme',
      source,
      sequence: 3,
      reason: 'refused',
      event: JSON.stringify(letter),
    });
    const [noted] = await entities.getRepository(AuditSourceEntity).find();
    expect({ ...noted, sequence: Number(noted!.sequence) }).toMatchObject({
      source,
      kind: 'closed',
      sequence: 4,
      process: '{}',
    });
    await entities.destroy();
  });

  it('shows an application that an event of its own was deleted', async () => {
    @Module({
      imports: [
        AuditModule.forRoot({ database: database.options, delivery: { directory: database.journal } }),
      ],
    })
    class RecordingModule {}
    app = await NestFactory.createApplicationContext(RecordingModule, { logger: false, abortOnError: false });
    const audit = app.get(AuditService);
    const recorded: AuditLogEvent[] = [];
    for (let index = 0; index < 20; index += 1) recorded.push(await audit.record({ action: 'thing.create' }));
    await store.connection.transaction((manager) => audit.record({ action: 'thing.update' }, { manager }));
    await audit.flush();
    const { source } = recorded[0]!.metadata;
    const own = async () => (await audit.sources()).find((summary) => summary.source === source);
    expect(await own()).toMatchObject({ state: 'open', firstSequence: 1, gaps: [] });
    const deleted = recorded.slice(4, 7);
    await dropTriggers(store.connection, database);
    for (const { id } of deleted) {
      await ask(store.connection, `DELETE FROM audit_events WHERE id = '${id}'`);
    }
    const [first, , last] = deleted.map(({ metadata }) => metadata['sequence']);
    expect(await own()).toMatchObject({ gaps: [{ from: first, to: last }] });
  });

  it('answers with its own error when a table is gone', async () => {
    await store.connection.query('DROP TABLE audit_sources');
    const unavailable = { code: 'AUDIT_STORE_UNAVAILABLE', statusCode: 503, cause: expect.anything() };
    await expect(store.sources.summaries()).rejects.toMatchObject(unavailable);
    await expect(
      writeNote(store, { source: newSource(), kind: 'started', sequence: 0 }),
    ).rejects.toMatchObject(unavailable);
  });
});
