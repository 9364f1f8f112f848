// Whether a hash is a leaf of a checkpoint, in a log of more than one level of full tiles.
import 'reflect-metadata';
import { hash } from 'node:crypto';
import { derivedEventId } from '../../src/event/event-id.js';
import {
  CompactRange,
  encodeHashes,
  formatCheckpoint,
  TILE_WIDTH,
  tileRoot,
} from '../../src/ledger/index.js';
import { AuditDatabase } from '../../src/store/audit-database.js';
import { LedgerRepository } from '../../src/store/ledger.repository.js';
import { ProvenLeaves } from '../../src/features/retention/proven-leaves.js';
import { RecordedTrust } from '../../src/features/retention/recorded-trust.js';
import { openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { RawTables } from '../support/ledger-app.js';
import { createDatabase } from '../support/harness/databases.js';

/** One full tile of level 1, one and a half of level 0 behind it. */
const SIZE = TILE_WIDTH ** 2 + TILE_WIDTH + 100;
const SAMPLE = [0, 255, 256, 40_000, 65_535, 65_536, 65_791, 65_792, SIZE - 1];

describe('the leaves of a checkpoint', () => {
  let store: AuditStore;
  let raw: RawTables;
  let database: AuditDatabase;
  const leaves = Array.from({ length: SIZE }, (_, index) => hash('sha256', String(index), 'buffer'));

  beforeAll(async () => {
    const created = await createDatabase('sqlite');
    store = await openStore(created.options);
    const ignore = () => undefined;
    database = new AuditDatabase({ database: created.options }, { log: ignore, warn: ignore, error: ignore });
    await database.connect(10_000);
    raw = await RawTables.open(created);
    await raw.insert(
      'audit_leaves',
      leaves.map((leaf, index) => ({
        leaf_index: index,
        event_id: derivedEventId(0, String(index)),
        leaf_hash: leaf.toString('base64'),
      })),
    );
    const range = new CompactRange();
    for (const leaf of leaves) range.append(leaf);
    const root = range.root();
    let row: Buffer[] = leaves;
    for (let level = 0; row.length >= TILE_WIDTH; level += 1) {
      const tiles = Array.from({ length: Math.floor(row.length / TILE_WIDTH) }, (_, index) =>
        row.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH),
      );
      await raw.insert(
        'audit_tiles',
        tiles.map((hashes, index) => ({
          level,
          tile_index: index,
          root: tileRoot(hashes).toString('base64'),
          hashes: encodeHashes(hashes),
        })),
      );
      row = tiles.map(tileRoot);
    }
    const note = `${formatCheckpoint({ origin: 'a', treeSize: SIZE, rootHash: root })}\n`;
    await raw.insert('audit_checkpoints', [
      { tree_size: SIZE, previous_size: 0, root_hash: root.toString('base64'), note },
    ]);
  });
  afterAll(async () => {
    await raw.close();
    await database.close();
    await store.close();
  });

  const proven = async () =>
    (await ProvenLeaves.newest({
      ledger: new LedgerRepository(database),
      trust: { verifiers: [], unsignedUntil: 0, origin: undefined },
    }))!;

  it('are those that it has, each in its place', async () => {
    const log = await proven();
    for (const index of SAMPLE) {
      expect([index, await log.has(index, leaves[index]!)]).toEqual([index, true]);
      expect([index, await log.has(index, leaves[index === 0 ? 1 : 0]!)]).toEqual([index, false]);
    }
    for (const index of [-1, 0.5, SIZE, NaN]) expect(await log.has(index, leaves[0]!)).toBe(false);
  });

  it('say nothing while the database is away: else a legal hold of before the first key would count for nothing', async () => {
    const away = new AuditDatabase(
      {},
      { log: () => undefined, warn: () => undefined, error: () => undefined },
    );
    const log = {
      ledger: new LedgerRepository(away),
      trust: { verifiers: [], unsignedUntil: SIZE, origin: 'a' },
    };
    const asked = new RecordedTrust(log).isBeforeKeys(derivedEventId(0, '0'));
    await expect(asked).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
  });

  it('are none where a tile on the way was changed or is gone, and the others still are', async () => {
    const fake = hash('sha256', 'fake', 'buffer');
    const hashes = leaves.slice(40_000 - (40_000 % TILE_WIDTH)).slice(0, TILE_WIDTH);
    hashes[40_000 % TILE_WIDTH] = fake;
    const tile = Math.floor(40_000 / TILE_WIDTH);
    // The tile with a root that fits it, which the tile above does not have.
    await raw.query(
      `UPDATE audit_tiles SET hashes = '${encodeHashes(hashes)}', root = '${tileRoot(hashes).toString('base64')}'
        WHERE level = 0 AND tile_index = ${tile}`,
    );
    await raw.query(
      `UPDATE audit_leaves SET leaf_hash = '${fake.toString('base64')}' WHERE leaf_index = 40000`,
    );
    const log = await proven();
    expect(await log.has(40_000, fake)).toBe(false);
    expect(await log.has(40_001, leaves[40_001]!)).toBe(false);
    expect(await log.has(0, leaves[0]!)).toBe(true);
    await raw.query('DELETE FROM audit_tiles WHERE level = 0 AND tile_index = 3');
    await raw.query('DELETE FROM audit_leaves WHERE leaf_index = 800');
    expect(await log.has(801, leaves[801]!)).toBe(false);
    expect(await log.has(1_024, leaves[1_024]!)).toBe(true);
  });
});
