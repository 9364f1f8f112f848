// Somebody with the application's own rights adds rows among the wrapped keys of persons. Whatever they say, values are encrypted under no
// key but the library's own, nobody's values are lost, and persons can be forgotten.
import { createCipheriv, createDecipheriv, createHash, randomBytes, randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import type { AuditEventInput, AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import type { KeyManagement, ProtectionOptions } from 'nest-audit-trail/protection';
import { eventually } from '../../support/eventually.js';
import { logged, startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { describeEachDatabase, withoutThread } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';
import { grantUsers } from '../../support/granted-users.js';
import type { GrantedUsers } from '../../support/granted-users.js';
import { ask, toStored } from '../../support/stored-rows.js';

type Row = Record<string, unknown>;

const ALL = { allTenants: true } as const;
const KEY_ID = 'kms/audit';
const FOREIGN_KEY_ID = 'kms/of-the-attacker';
const ADDRESS = '203.0.113.77';
const ANN: AuditEventInput = {
  action: 'invoice.approve',
  tenantId: 'acme',
  userId: 'ann',
  ipAddress: ADDRESS,
};
const YEAR_3000 = 32_503_680_000_000;
const YEAR_MS = 366 * 86_400_000;

/** What a row of a person's next generation says, by what that is. */
const ROWS: Readonly<Record<string, Row>> = {
  'of a master key that nobody has': { master_id: 'local-0123456789abcdef' },
  'of a KMS key that nobody named': { master_id: FOREIGN_KEY_ID },
  'of nothing that was ever wrapped': { wrapped: 'AAAA' },
  'of the last possible generation': { generation: '9223372036854775807' },
  'erased in the future': { wrapped: '', erased_at: YEAR_3000 },
  'erased in the future with a key': { erased_at: YEAR_3000 },
  'erased before all time': { wrapped: '', erased_at: -1 },
  'made in the future': { created_at: YEAR_3000 },
  'made long ago': { created_at: 0 },
};

/** A KMS with keys of several customers, of which the attacker is one. */
class Kms implements KeyManagement {
  readonly keyId = KEY_ID;
  readonly asked = new Set<string>();
  private readonly keys = new Map([KEY_ID, FOREIGN_KEY_ID].map((name) => [name, randomBytes(32)]));

  wrap(plain: Uint8Array): Uint8Array {
    return this.wrapBy(KEY_ID, plain);
  }

  wrapBy(keyId: string, plain: Uint8Array): Uint8Array {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.keys.get(keyId)!, nonce);
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  unwrap(wrapped: Uint8Array, keyId: string): Uint8Array {
    this.asked.add(keyId);
    const decipher = createDecipheriv('aes-256-gcm', this.keys.get(keyId)!, wrapped.subarray(0, 12));
    decipher.setAuthTag(wrapped.subarray(-16));
    return Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()]);
  }
}

describeEachDatabase('rows that somebody inserts among the keys of persons', (create, name) => {
  withoutThread('what is protected is encrypted by the main thread');
  let database: TestDatabase;
  let owner: DataSource;
  let attacker: DataSource;
  let users: GrantedUsers;
  let app: LedgerApp;
  let kms: Kms;

  beforeEach(async () => {
    database = await create();
    owner = await new DataSource(database.options).initialize();
    users = await grantUsers(database, owner);
    attacker = await new DataSource(users.application).initialize();
    kms = new Kms();
    logged.length = 0;
    app = await start();
  });

  afterEach(async () => {
    await app.close();
    await attacker.destroy();
    await users.drop();
    await owner.destroy();
    await database.drop();
  });

  function start(own: Partial<ProtectionOptions> = { kms }, more: Omit<AuditModuleOptions, 'database'> = {}) {
    return startLedgerApp(
      { ...database, options: users.application },
      { migrate: false, features: [protection({ fields: ['ipAddress'], ...own })], ...more },
    );
  }

  async function record(event: AuditEventInput = ANN): Promise<AuditLogEvent> {
    const { id } = await app.audit.record(event);
    await eventually(() => app.audit.flush());
    return (await app.audit.findById(id, { ...ALL, reveal: true }))!;
  }

  const keys = async (): Promise<Row[]> =>
    Array.from(await attacker.query<Row[]>('SELECT * FROM audit_keys'), (row) => ({ ...row }));

  /** The row of the first key that a person has. */
  async function keyOf(event: AuditEventInput = ANN): Promise<Row> {
    const before = new Set((await keys()).map(({ id }) => id));
    await record(event);
    const [made] = (await keys()).filter(({ id, subject }) => !before.has(id) && subject !== 'index');
    return made!;
  }

  async function insert(row: Row, table = 'audit_keys'): Promise<void> {
    const stored = toStored(attacker, table, row);
    const columns = Object.keys(stored);
    const places = columns.map((_, index) => (name === 'postgres' ? `$${index + 1}` : '?'));
    await attacker.query(
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places.join(', ')})`,
      Object.values(stored),
    );
  }

  /** A row of the person's next generation as the attacker would have it. */
  function nextOf(row: Row, more: Row): Row {
    return {
      ...row,
      id: randomUUID(),
      generation: Number(row['generation']) + 1,
      created_at: Date.now(),
      ...more,
    };
  }

  /** As the table says that a key is wrapped: with the digest of its place. */
  function wrappedFor(row: Row, key: Buffer): string {
    const place = [
      'nest-audit-trail key',
      row['id'],
      row['tenant_id'],
      row['subject'],
      Number(row['generation']),
    ];
    const digest = createHash('sha256').update(JSON.stringify(place)).digest();
    return Buffer.from(kms.wrapBy(FOREIGN_KEY_ID, Buffer.concat([key, digest]))).toString('base64');
  }

  async function expectForgotten(event: AuditLogEvent, person = ANN): Promise<void> {
    const subject = { tenantId: 'acme', subjectId: person.userId! };
    await app.get(DataProtection).forget(subject);
    expect(await app.audit.findById(event.id, { ...ALL, reveal: true })).toMatchObject({
      ipAddress: '[erased]',
    });
    const later = await record(person);
    expect(later).toMatchObject({ ipAddress: ADDRESS });
    await app.get(DataProtection).forget(subject);
    expect(await app.audit.findById(later.id, { ...ALL, reveal: true })).toMatchObject({
      ipAddress: '[erased]',
    });
  }

  it('encrypts nothing under a key that somebody wrapped by a KMS key of their own', async () => {
    const row = await keyOf();
    const forged = nextOf(row, { master_id: FOREIGN_KEY_ID });
    await insert({ ...forged, wrapped: wrappedFor(forged, randomBytes(32)) });
    // A process that starts now has no key in its memory.
    await app.close();
    app = await start();
    const event = await record();
    expect(event).toMatchObject({ ipAddress: ADDRESS });
    const [stored] = await ask<Row>(attacker, `SELECT metadata FROM audit_events WHERE id = '${event.id}'`);
    expect(String(stored!['metadata'])).toContain('"protected":"v1.');
    expect(String(stored!['metadata'])).not.toContain(forged['id']);
    expect([...kms.asked]).toEqual([KEY_ID]);
    await expectForgotten(event);
    expect(logged.join('\n')).toContain('were not made by this library');
  });

  it(`goes on protecting and forgetting persons who have a row ${Object.keys(ROWS).join('; ')}`, async () => {
    const persons = Object.entries(ROWS).map(([what, more]) => ({ more, ann: { ...ANN, userId: what } }));
    for (const { more, ann } of persons) {
      const row = await keyOf(ann);
      await insert(nextOf(row, more));
      if (!('generation' in more)) await insert(nextOf(row, { ...more, generation: 0 }));
    }
    for (let round = 0; round < 2; round += 1) {
      for (const { ann } of persons) {
        const event = await record(ann);
        expect(event).toMatchObject({ userId: ann.userId, ipAddress: ADDRESS });
        expect(event.metadata).not.toHaveProperty('stageErrors');
        if (round === 1) await expectForgotten(event, ann);
      }
      await app.close();
      app = await start();
    }
    expect(app.audit.status()).toMatchObject({ pending: 0, dead: 0 });
  });

  it('makes the next generation where rows stand in its place, and rotates all keys', async () => {
    const row = await keyOf();
    const bob = await keyOf({ ...ANN, userId: 'bob' });
    for (const one of [row, bob]) {
      for (let generation = 2; generation < 8; generation += 1) {
        await insert(nextOf(one, { generation, master_id: 'local-0123456789abcdef' }));
      }
    }
    expect(await app.get(DataProtection).rotateKeys({ dataKeys: true })).toMatchObject({
      renewed: 2,
      damaged: 0,
    });
    expect(await app.get(DataProtection).rotateKeys({ dataKeys: true })).toMatchObject({
      renewed: 2,
      damaged: 0,
    });
    const event = await record();
    expect(event).toMatchObject({ ipAddress: ADDRESS });
    expect(logged.join('\n')).toContain('were not made by this library');
    expect(await app.get(DataProtection).forget({ tenantId: 'acme', subjectId: 'ann' })).toMatchObject({
      keys: 3,
    });
  });

  it('reads nothing with a row that an inserted event names', async () => {
    const row = await keyOf();
    const forged = nextOf(row, { master_id: FOREIGN_KEY_ID });
    await insert({ ...forged, wrapped: wrappedFor(forged, randomBytes(32)) });
    const [stored] = await ask<Row>(attacker, "SELECT * FROM audit_events WHERE action = 'invoice.approve'");
    const id = randomUUID().replace(/^.{15}/, String(stored!['id']).slice(0, 15));
    const metadata = JSON.parse(String(stored!['metadata'])) as Row;
    await insert(
      {
        ...stored,
        id,
        source: null,
        sequence: null,
        metadata: JSON.stringify({ ...metadata, protected: `v1.${String(forged['id'])}.${'A'.repeat(60)}` }),
      },
      'audit_events',
    );
    const shown = await app.audit.findById(id, { ...ALL, reveal: true });
    expect(shown).toMatchObject({ ipAddress: '[unreadable]' });
    expect(kms.asked.has(FOREIGN_KEY_ID)).toBe(false);
  });

  it('loses no value by an erasure that somebody has written into the row of a key, and says so', async () => {
    const row = await keyOf();
    // Of the rights that the page grants this needs UPDATE, by which keys can be destroyed: but not in silence.
    await attacker.query(`UPDATE audit_keys SET erased_at = ${YEAR_3000} WHERE id = '${String(row['id'])}'`);
    await app.close();
    app = await start();
    const event = await record();
    expect(event).toMatchObject({ ipAddress: ADDRESS });
    expect(logged.join('\n')).toContain(`The key ${String(row['id'])} is marked as erased`);
    await attacker.query(`UPDATE audit_keys SET wrapped = '' WHERE id = '${String(row['id'])}'`);
    await app.close();
    app = await start();
    expect(await record()).toMatchObject({ ipAddress: ADDRESS });
    expect(await app.audit.findById(event.id, { ...ALL, reveal: true })).toMatchObject({
      ipAddress: '[unreadable]',
    });
    expect(logged.join('\n')).toContain(`The key ${String(row['id'])} was destroyed`);
  });

  it('asks the KMS for former keys of the options alone', async () => {
    const event = await record();
    await app.close();
    const renamed = { keyId: 'kms/next', wrap: kms.wrap.bind(kms), unwrap: kms.unwrap.bind(kms) };
    await expect(start({ kms: renamed })).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      message: expect.stringContaining('formerKeyIds'),
    });
    app = await start({ kms: { ...renamed, formerKeyIds: [KEY_ID] } });
    expect(await app.audit.findById(event.id, { ...ALL, reveal: true })).toMatchObject({
      ipAddress: ADDRESS,
    });
  });

  it('gives a person another key once theirs is old, whatever rows there are', async () => {
    const row = await keyOf();
    await insert(nextOf(row, { created_at: Date.now() + YEAR_MS }));
    await app.close();
    app = await start({ kms, dataKeyDays: 1 });
    expect(await record()).toMatchObject({ ipAddress: ADDRESS });
  });
});
