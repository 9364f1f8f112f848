// Whoever may insert events can write those of legal holds as well. In a log with a key that neither lifts a hold nor places one, and
// stops neither retention nor erasure.
import { randomBytes } from 'node:crypto';
import type { AuditLogEvent } from 'nest-audit-trail';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys, parseSignerKey } from '../../../src/ledger/index.js';
import { AS_A_TOOL, logged } from '../../support/ledger-app.js';
import type { RawTables } from '../../support/ledger-app.js';
import { createDatabase, describeEachDatabase } from '../../support/harness/databases.js';
import { found, invented, old, RetainedLog, rowOf } from '../../support/retained-log.js';
import type { Row } from '../../support/retained-log.js';

const { signerKey, verifierKey } = generateKeys('audit.test');
const signer = parseSignerKey(signerKey);
const ledger = { signingKey: signerKey };
const because = { reason: 'case 4711', placedBy: 'counsel@example.test' };
const settled = { reason: 'settled', liftedBy: 'counsel@example.test' };

describeEachDatabase('events of legal holds that an attacker inserts', (create) => {
  let log: RetainedLog;
  let attacker: RawTables;
  /** Of tests before this one. */
  let known: Set<string>;

  async function open(): Promise<void> {
    log = await RetainedLog.on(await create());
    attacker = await log.inserter();
    logged.length = 0;
    known = new Set();
  }

  const problems = async () => (await log.audit.verify({ maxProblems: 1_000 })).problems;
  const newProblems = async () => found(await problems()).filter((problem) => !known.has(String(problem)));

  /** Ids that are told of as events of holds that count for nothing. */
  async function untrusted(): Promise<unknown[]> {
    const told = await newProblems();
    expect(told.filter(([code]) => code !== 'hold_untrusted')).toEqual([]);
    return told.map(([, eventId]) => eventId).sort();
  }

  async function insert(...events: AuditLogEvent[]): Promise<string[]> {
    await attacker.insert(
      'audit_events',
      events.map((event) => rowOf(event)),
    );
    return events.map(({ id }) => id).sort();
  }

  const hold = (details: AuditLogEvent['details'] = {}, more: Partial<AuditLogEvent> = {}) =>
    invented({
      id: createEventId(Date.now()),
      action: 'audit.hold',
      details: { tenantId: 'acme', ...because, ...details },
      ...more,
    });
  const release = (holdId: string, details: AuditLogEvent['details'] = {}) =>
    invented({
      id: createEventId(Date.now()),
      action: 'audit.release-hold',
      details: { holdId, ...settled, ...details },
    });

  async function ownRow(condition: string): Promise<Row> {
    const rows = await attacker.query(`SELECT * FROM audit_events WHERE ${condition}`);
    expect(rows).toHaveLength(1);
    return { ...rows[0] };
  }

  const recordOf = ({ details }: Row) => String((JSON.parse(String(details)) as Row)['record']);

  /** @param believed how many of them count as holds */
  async function insertHostile(believed: number): Promise<void> {
    await log.sealed(old(5));
    const texts = [
      '{',
      'null',
      '[]',
      '7',
      '{}',
      '{"tenantId":"acme"}',
      '{"tenantId":"acme","reason":"r","placedBy":"p","from":"x"}',
      '{"tenantId":"acme","reason":"r","placedBy":"p","to":1e308}',
      '{"tenantId":"acme","reason":"r","placedBy":["p"]}',
      '{"tenantId":"acme","reason":"r","placedBy":"p","userId":{}}',
      '{"holdId":{}}',
      '{"holdId":null}',
      '['.repeat(30_000),
    ];
    const rows = texts.flatMap((details) =>
      ['audit.hold', 'audit.release-hold'].map((action) =>
        rowOf(invented({ id: createEventId(Date.now()), action }), { details }),
      ),
    );
    await log.dropChecks(attacker);
    await attacker.insert('audit_events', rows);
    // A text that PostgreSQL takes in JSON and nowhere else.
    await insert(hold({ userId: '\u0000', resource: '\ud800' }));
    expect(await log.retention.holds({ tenantId: 'acme' })).toHaveLength(believed);
    expect(await log.retention.removeExpired()).toMatchObject({ removed: 5, held: 0 });
    const named = (await newProblems()).filter(([code]) => code === 'hold_untrusted');
    expect(named).toHaveLength(rows.length + 1 - believed);
  }

  describe('in a log where others are', () => {
    beforeAll(async () => {
      await open();
      await log.start({ ledger });
    });
    beforeEach(async () => {
      for (const { id } of await log.retention.holds({ allTenants: true }))
        await log.retention.liftHold(id, settled);
      await log.retention.removeExpired();
      known = new Set(found(await problems()).map(String));
      logged.length = 0;
    });
    afterAll(() => log.close());

    it('lift none', async () => {
      await log.sealed(old(5));
      const [held, lifted] = [
        await log.retention.placeHold({ tenantId: 'acme', ...because }),
        await log.retention.placeHold({ tenantId: 'acme', userId: 'ann', ...because }),
      ];
      await log.retention.liftHold(lifted.id, settled);
      const record = recordOf(await ownRow("action = 'audit.release-hold'"));
      const forged = await insert(
        release(held.id),
        // With the record of another one, as it is, and as it would have to be.
        release(held.id, { record }),
        release(held.id, { record: record.replaceAll(lifted.id, held.id) }),
        release(held.id, { record: `${record.split('\n\n')[0]!.replaceAll(lifted.id, held.id)}\n\n` }),
        // An event once more, under another id.
        { ...release(lifted.id, { record }), details: { holdId: held.id, record, ...settled } },
      );
      expect(await log.retention.holds({ allTenants: true })).toEqual([held]);
      expect(await log.retention.removeExpired()).toMatchObject({ removed: 0, held: 5 });
      await log.audit.checkpoint();
      expect(await untrusted()).toEqual(forged);
      expect(logged.filter((line) => line.includes('legal hold'))).toEqual([
        expect.stringMatching(/counts for nothing/),
      ]);
      // Whoever may lifts it still.
      await log.retention.liftHold(held.id, settled);
      expect(await log.retention.removeExpired()).toMatchObject({ removed: 5, held: 0 });
    });

    it('stop nothing by what they hold, in a log with a key', () => insertHostile(0));

    it('say nothing of another log with the same key', async () => {
      const other = await RetainedLog.on(await createDatabase('sqlite'));
      try {
        await other.start({
          ledger: { ...ledger, origin: 'other.test' },
          delivery: AS_A_TOOL,
        });
        await other.retention.placeHold({ tenantId: 'acme', ...because });
        const raw = await other.inserter();
        const [row] = await raw.query("SELECT * FROM audit_events WHERE action = 'audit.hold'");
        await log.sealed(old(5));
        await attacker.insert('audit_events', [{ ...row }]);
        expect(await log.retention.holds({ tenantId: 'acme' })).toEqual([]);
        expect(await log.retention.removeExpired()).toMatchObject({ removed: 5 });
        expect(await untrusted()).toEqual([row!['id']]);
      } finally {
        await other.close();
      }
    });

    it('are no obstacle where the same person is held under a strange id', async () => {
      const userId = 'ann\u202e';
      await log.sealed(old(3, { userId }));
      const { id } = await log.retention.placeHold({
        tenantId: 'acme',
        userId,
        resource: 'x\u0000',
        ...because,
      });
      expect(await log.retention.removeExpired({ dryRun: true })).toMatchObject({ removed: 3 });
      await log.retention.liftHold(id, settled);
      await log.retention.placeHold({ tenantId: 'acme', userId, ...because });
      expect(await log.retention.removeExpired()).toMatchObject({ removed: 0, held: 3 });
    });

    it('are named where somebody has changed one', async () => {
      await log.sealed(old(5, { userId: 'ann' }));
      const { id } = await log.retention.placeHold({ tenantId: 'acme', userId: 'ann', ...because });
      await log.audit.checkpoint();
      const { details } = await ownRow(`id = '${id}'`);
      const raw = await log.writer();
      await raw.query(`DELETE FROM audit_events WHERE id = '${id}'`);
      const changed = { ...hold({}, { id }) };
      await raw.insert('audit_events', [
        rowOf(changed, { details: String(details).replace('"userId":"ann"', '"userId":"bob"') }),
      ]);
      expect(await log.retention.holds({ tenantId: 'acme' })).toEqual([]);
      expect(await newProblems()).toEqual(
        expect.arrayContaining([
          ['event_changed', id],
          ['hold_untrusted', id],
        ]),
      );
    });

    // The last: the process is another one.
    it('are not made by a process that can not sign', async () => {
      const { id } = await log.retention.placeHold({ tenantId: 'acme', ...because });
      await log.audit.checkpoint();
      await log.start({ ledger: { verifierKeys: [verifierKey] }, delivery: AS_A_TOOL });
      const missing = { code: 'AUDIT_INVALID_OPTIONS', field: 'ledger.signingKey' };
      await expect(log.retention.placeHold({ tenantId: 'acme', ...because })).rejects.toMatchObject(missing);
      await expect(log.retention.liftHold(id, settled)).rejects.toMatchObject(missing);
      // It knows the name of the log by its checkpoints.
      expect(await log.retention.holds({ tenantId: 'acme' })).toMatchObject([{ id, ...because }]);
    });
  });

  describe('in a log of their own', () => {
    beforeEach(open);
    afterEach(() => log.close());

    it('hold nothing, and stop no erasure', async () => {
      const masterKey = randomBytes(32).toString('base64');
      const audit = await log.start({
        ledger,
        features: [protection({ fields: ['ipAddress'], masterKey })],
      });
      await log.sealed([...old(5, { userId: 'ann', ipAddress: '203.0.113.7' })]);
      const placed = await log.retention.placeHold({ tenantId: 'acme', userId: 'bob', ...because });
      const record = recordOf(await ownRow(`id = '${placed.id}'`));
      const forged = await insert(
        hold(),
        hold({ record }),
        hold({ record: 'none' }),
        hold({ userId: 'bob', record }),
        invented({
          id: createEventId(Date.now()),
          action: 'audit.hold',
          tenantId: 'default',
          details: { allTenants: true, ...because },
        }),
        hold({}, { id: 'ffffffff-ffff-7fff-bfff-ffffffffffff', timestamp: 2 ** 48 - 1 }),
      );
      expect(await log.retention.holds({ tenantId: 'acme' })).toEqual([placed]);
      expect(await log.retention.removeExpired({ dryRun: true })).toMatchObject({ removed: 5, held: 0 });
      await expect(
        log.get(DataProtection).forget({ tenantId: 'acme', subjectId: 'ann' }),
      ).resolves.toMatchObject({ keys: 1 });
      expect(await log.retention.removeExpired()).toMatchObject({ removed: 5, held: 0 });
      await audit.flush();
      await audit.checkpoint();
      expect(await untrusted()).toEqual(forged);
    });

    it('stop nothing by what they hold, in a log with no key', async () => {
      await log.start({ ledger: {} });
      await insertHostile(1);
    });

    it('do not stop a removal by coming while its record is signed, nor by ids before and after all others', async () => {
      let insertOne = false;
      let placeOne: (() => Promise<unknown>) | undefined;
      const sign = async (text: Uint8Array) => {
        if (insertOne && Buffer.from(text).includes('/removal/')) await insert(hold());
        const place = placeOne;
        placeOne = undefined;
        await place?.();
        return signer.sign(text);
      };
      await log.start({ ledger: { signingKey: { verifierKey, sign } } });
      await log.sealed(old(20));
      await insert(
        hold({}, { id: '00000000-0000-0000-0000-000000000000' }),
        hold({}, { id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' }),
      );
      insertOne = true;
      expect(await log.retention.removeExpired()).toMatchObject({ removed: 20, held: 0 });
      // A hold of somebody who may counts at once.
      insertOne = false;
      await log.sealed(old(10));
      let place: Promise<unknown> | undefined;
      const once = () => (place = log.retention.placeHold({ tenantId: 'acme', ...because }));
      const seen: number[] = [];
      const removal = log.retention.removeExpired({
        onProgress: ({ removed }) => {
          seen.push(removed);
          placeOne ??= place ? undefined : once;
        },
      });
      expect(await removal).toMatchObject({ removed: 7, held: 3 });
      expect(seen).toEqual([7]);
    });

    it('count where they were sealed before the first key, as far as that is said', async () => {
      let audit = await log.start({ ledger: { origin: 'audit.test' }, delivery: AS_A_TOOL });
      await log.sealed(old(5));
      const before = await log.retention.placeHold({ tenantId: 'acme', ...because });
      const { treeSize } = await audit.checkpoint();
      const known = { ...ledger, origin: 'audit.test', unsignedUntil: treeSize };

      audit = await log.start({ ledger: known });
      const forged = await insert(release(before.id), hold({ userId: 'ann' }));
      await audit.checkpoint();
      expect(await log.retention.holds({ tenantId: 'acme' })).toEqual([before]);
      expect(await log.retention.removeExpired()).toMatchObject({ removed: 0, held: 5 });
      expect(await untrusted()).toEqual(forged);
      await log.retention.liftHold(before.id, settled);
      expect(await log.retention.holds({ tenantId: 'acme' })).toEqual([]);
      expect(await log.retention.removeExpired()).toMatchObject({ removed: 5 });
    });
  });
});
