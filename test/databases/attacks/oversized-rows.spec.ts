// Whoever may INSERT into audit_sources or audit_dead_letters: texts of any length, which a database packs into little, must not fill the
// memory of the application, whose sealer reads such rows by hundreds.
import type { DataSource } from 'typeorm';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys } from '../../../src/ledger/index.js';
import { AttackedDatabase } from '../../support/attacked-database.js';
import type { AuditStore } from '../../support/audit-store.js';
import { insertRow, insertRows } from '../../support/event-rows.js';
import type { RawRow } from '../../support/event-rows.js';
import { dropChecks } from '../../support/ledger-app.js';
import { describeEachDatabase } from '../../support/harness/databases.js';

const keys = generateKeys('audit.example');

const noteWith = (text: RawRow): RawRow => ({
  id: createEventId(Date.now()),
  source: createEventId(Date.now()),
  kind: 'started',
  sequence: 0,
  timestamp: 1,
  process: '{}',
  ...text,
});
const letterWith = (text: RawRow): RawRow => ({
  id: createEventId(Date.now()),
  tenant_id: 'acme',
  timestamp: 1,
  reason: 'refused',
  event: '{}',
  ...text,
});

describeEachDatabase('an oversized row', (create, name) => {
  let log: AttackedDatabase;
  let store: AuditStore;
  let attacker: DataSource;

  beforeAll(async () => {
    log = await AttackedDatabase.of(await create());
    store = log.owner;
    attacker = log.attacker;
  });
  afterAll(() => log.close());

  it('is refused', async () => {
    const refused: [string, RawRow][] = [
      ['audit_sources', noteWith({ statement: 'x'.repeat(8_193) })],
      ['audit_dead_letters', letterWith({ statement: 'x'.repeat(16_385) })],
      ['audit_dead_letters', letterWith({ event: 'x'.repeat(1_048_577) })],
      // The bytes count, and on SQLite also those behind a NUL.
      ['audit_sources', noteWith({ statement: 'ä'.repeat(4_097) })],
      ['audit_sources', noteWith({ statement: `\0${'x'.repeat(8_193)}` })],
    ];
    for (const [table, row] of refused) await expect(insertRow(attacker, table, row)).rejects.toThrow();
    expect(await store.connection.query('SELECT id FROM audit_sources')).toEqual([]);
    expect(await store.connection.query('SELECT id FROM audit_dead_letters')).toEqual([]);
  });

  it('is not read where the constraints are gone, and counts for nothing', async () => {
    await dropChecks(store.connection, { name });
    if (name === 'sqlite') await dropChecks(attacker, { name });
    const { audit } = await log.start({ signingKey: keys.signerKey });
    await audit.record({ action: 'thing.create' });
    await audit.flush();
    // MySQL's type holds no more.
    const text = 'x'.repeat(name === 'mysql' ? 65_000 : 1_000_000);
    const notes = Array.from({ length: 20 }, () => noteWith({ statement: text }));
    await insertRows(attacker, 'audit_sources', notes);
    await insertRow(attacker, 'audit_dead_letters', letterWith({ statement: text }));
    await insertRow(attacker, 'audit_dead_letters', letterWith({ event: `"${'x'.repeat(2_000_000)}"` }));
    for (const rows of [
      await store.sources.notesById('', 250),
      [await store.sources.newestNote(String(notes[3]!['source']))],
    ]) {
      expect(JSON.stringify(rows).length).toBeLessThan(20_000);
    }
    for await (const standing of store.sources.standings({ verifiers: [] })) {
      expect(standing.claimed?.newest.statement?.length ?? 0).toBeLessThan(8_193);
    }
    expect(await audit.checkpoint()).toMatchObject({ treeSize: 1 });
    const letters = await audit.deadLetters({ allTenants: true });
    expect(letters).toHaveLength(2);
    for (const letter of letters) expect(letter.untrusted).toBeDefined();
    expect(JSON.stringify(letters).length).toBeLessThan(20_000);
    const { problems } = await audit.verify();
    expect(problems.map(({ code }) => code)).toEqual(['dead_letter_untrusted', 'dead_letter_untrusted']);
  });
});
