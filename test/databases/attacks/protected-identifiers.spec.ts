// The audit's own events (of reads, of legal holds) name nobody in clear whom other events have redacted or encrypted: what an erasure can't
// reach must not be there.
import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { pseudonym } from 'nest-audit-trail';
import type { AuditModuleOptions, AuditService } from 'nest-audit-trail';
import { access } from 'nest-audit-trail/access';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { eventually } from '../../support/eventually.js';
import { startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { describeEachDatabase } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

const TENANT = { tenantId: 'acme' } as const;
const USER = 'ann.planted@example.test';
const ADDRESS = '203.0.113.77';
const SESSION = 'session-planted-1';
const EMAIL = 'customer.planted@example.test';
const PSEUDONYM_KEY = randomBytes(32).toString('base64');
const NAMES = [USER, ADDRESS, SESSION, EMAIL];

describeEachDatabase('identifiers in the events of the audit itself', (create, name) => {
  let database: TestDatabase;
  let app: LedgerApp;
  const retained = () => app.get(AuditRetention);
  let audit: AuditService;

  /** One application for all tests of a description. */
  function start({
    features = [protection({ fields: [] })],
    ...options
  }: Omit<AuditModuleOptions, 'database'>): void {
    beforeAll(async () => {
      database = await create();
      app = await startLedgerApp(database, {
        features: [access(), retention({ rules: [{ keepDays: 1 }] }), ...features],
        ...options,
      });
      ({ audit } = app);
      await audit.record({
        ...TENANT,
        action: 'invoice.pay',
        userId: USER,
        sessionId: SESSION,
        ipAddress: ADDRESS,
        details: { customer: { email: EMAIL }, amount: 7 },
      });
      await eventually(() => audit.flush());
    });
    afterAll(async () => {
      await app.close();
      await database.drop();
    });
  }

  /** What the tables have, in rows and columns of any kind. */
  async function stored(where = ''): Promise<Record<string, unknown>[]> {
    await eventually(() => audit.flush());
    const connection = await new DataSource(database.options).initialize();
    try {
      const rows = await connection.query<Record<string, unknown>[]>(
        `SELECT * FROM audit_events ${where} ORDER BY id`,
      );
      return Array.from(rows, (row) => ({ ...row }));
    } finally {
      await connection.destroy();
    }
  }

  const queries = (): Record<string, unknown>[] => [
    { userId: USER },
    { userId: [USER, USER] },
    { sessionId: SESSION, action: 'invoice.*' },
    { ipAddress: ADDRESS },
    { details: { 'customer.email': EMAIL, amount: 7 } },
    { text: EMAIL },
    // What is refused is recorded as well.
    { userId: USER, limit: 0 },
    { user: USER },
    { details: { customer: { email: EMAIL } } },
    { ipAddress: { [ADDRESS]: ADDRESS } },
    { order: USER, limit: EMAIL, userId: SESSION },
  ];

  async function look(): Promise<void> {
    for (const query of queries()) {
      await audit.find({ ...TENANT, ...query } as never).catch(() => undefined);
      await audit.find({ allTenants: true, ...query } as never).catch(() => undefined);
      await audit.statistics({ ...TENANT, ...query } as never).catch(() => undefined);
      try {
        for await (const _event of audit.stream({ ...TENANT, ...query } as never)) break;
      } catch {
        // Refused.
      }
    }
    await audit.find(USER as never).catch(() => undefined);
    await audit.findById(EMAIL, TENANT);
    await audit.prove(EMAIL, TENANT);
    await audit.deadLetters({ ...TENANT, after: EMAIL }).catch(() => undefined);
    for await (const _event of app.get(DataProtection).exportSubject({ ...TENANT, subjectId: USER })) break;
  }

  const old = (userId: string, more: object = {}) =>
    audit.record({
      ...TENANT,
      action: 'invoice.pay',
      userId,
      timestamp: Date.now() - 10 * 86_400_000,
      ...more,
    });

  describe('with protected fields', () => {
    start({
      features: [
        protection({
          fields: ['userId', 'sessionId', 'ipAddress', 'details.customer'],
          masterKey: randomBytes(32).toString('base64'),
        }),
      ],
    });

    it('are digests where they are protected, the same as those of an erasure, after which nobody is named', async () => {
      await look();
      const { subject } = await app.get(DataProtection).forget({ ...TENANT, subjectId: USER });
      const rows = await stored();
      for (const name of NAMES) expect(JSON.stringify(rows)).not.toContain(name);
      const reads = rows
        .filter(({ action }) => action === 'audit.read')
        .map(({ details }) => JSON.parse(String(details)));
      expect(reads).toContainEqual(expect.objectContaining({ method: 'find', 'filter.userId': subject }));
      expect(reads).toContainEqual(
        expect.objectContaining({ method: 'find', 'filter.userId': [subject, subject] }),
      );
      expect(reads).toContainEqual(
        expect.objectContaining({ method: 'exportSubject', 'filter.subjectId': subject }),
      );
      // What names nobody is told as before.
      expect(reads).toContainEqual(expect.objectContaining({ 'filter.action': 'invoice.*' }));
      expect(reads).toContainEqual(expect.objectContaining({ 'filter.details.amount': 7 }));
      expect(reads.length).toBeGreaterThan(queries().length * 3);
    });

    it('of a legal hold are refused where they are protected: it would hold nothing', async () => {
      await expect(
        retained().placeHold({ tenantId: 'globex', userId: USER, reason: 'case 7', placedBy: 'bob' }),
      ).rejects.toMatchObject({ code: 'AUDIT_INVALID_QUERY', field: 'userId' });
      await retained().placeHold({ tenantId: 'globex', reason: 'case 7', placedBy: USER });
      await expect(
        app.get(DataProtection).forget({ tenantId: 'globex', subjectId: USER }),
      ).rejects.toMatchObject({
        code: 'AUDIT_HELD',
      });
      expect(JSON.stringify(await stored())).not.toContain(USER);
    });
  });

  describe('with redacted fields', () => {
    start({
      redaction: {
        fields: { userId: 'hmac', sessionId: 'remove', 'details.customer.email': 'mask' },
        truncateIp: true,
        pseudonymKey: PSEUDONYM_KEY,
      },
    });

    it('are what redaction makes of them, and addresses are truncated', async () => {
      await look();
      await audit.find({ ...TENANT, userId: pseudonym(USER, PSEUDONYM_KEY) });
      const rows = await stored();
      for (const name of NAMES) expect(JSON.stringify(rows)).not.toContain(name);
      const reads = rows
        .filter(({ action }) => action === 'audit.read')
        .map(({ details }) => JSON.parse(String(details)));
      const named = reads.filter((details) => details['filter.userId'] === pseudonym(USER, PSEUDONYM_KEY));
      // Whether the reader gave the user or the pseudonym.
      expect(named.length).toBeGreaterThan(3);
      expect(reads).toContainEqual(expect.objectContaining({ 'filter.ipAddress': '203.0.113.0' }));
      expect(reads).toContainEqual(expect.objectContaining({ 'filter.sessionId': '[redacted]' }));
    });

    it('of a legal hold are those that events have, so that it holds them, and name nobody either', async () => {
      const [held, other] = [await old(USER), await old('bob')];
      await eventually(() => audit.flush());
      await audit.checkpoint();
      const hold = await retained().placeHold({ ...TENANT, userId: USER, reason: 'case 7', placedBy: USER });
      expect(hold).toMatchObject({
        userId: pseudonym(USER, PSEUDONYM_KEY),
        placedBy: pseudonym(USER, PSEUDONYM_KEY),
      });
      expect(await retained().removeExpired()).toMatchObject({ removed: 1 });
      expect(await audit.findById(held.id, TENANT)).toBeDefined();
      expect(await audit.findById(other.id, TENANT)).toBeUndefined();
      await retained().liftHold(hold.id, { reason: 'closed', liftedBy: USER });
      expect(JSON.stringify(await stored())).not.toContain(USER);
    });
  });

  describe('with patterns that are redacted', () => {
    start({
      features: [protection({ fields: ['ipAddress'], masterKey: randomBytes(32).toString('base64') })],
      redaction: { patterns: { email: 'hmac' }, pseudonymKey: PSEUDONYM_KEY },
    });

    it('of a legal hold are digests where a pattern makes them so, and what it says holds no secret', async () => {
      const held = [await old(USER), await old('bob', { resource: EMAIL, resourceId: EMAIL })];
      const free = [await old(`x${USER}`), await old('bob', { resource: EMAIL, resourceId: 'INV-7' })];
      await eventually(() => audit.flush());
      await audit.checkpoint();
      const because = { reason: `password=planted1 of ${EMAIL}`, placedBy: 'Bearer planted2planted2' };
      const holds = [
        await retained().placeHold({ ...TENANT, userId: USER, ...because }),
        await retained().placeHold({ ...TENANT, resource: EMAIL, resourceId: EMAIL, ...because }),
      ];
      expect(holds).toMatchObject([
        {
          userId: pseudonym(USER, PSEUDONYM_KEY),
          reason: `password=[redacted] of ${pseudonym(EMAIL, PSEUDONYM_KEY)}`,
          placedBy: 'Bearer [redacted]',
        },
        { resource: pseudonym(EMAIL, PSEUDONYM_KEY), resourceId: pseudonym(EMAIL, PSEUDONYM_KEY) },
      ]);
      await expect(app.get(DataProtection).forget({ ...TENANT, subjectId: USER })).rejects.toMatchObject({
        code: 'AUDIT_HELD',
      });
      expect(await retained().removeExpired()).toMatchObject({ removed: 2, held: 2 });
      for (const { id } of held) expect(await audit.findById(id, TENANT)).toBeDefined();
      for (const { id } of free) expect(await audit.findById(id, TENANT)).toBeUndefined();
      for (const { id } of holds)
        await retained().liftHold(id, {
          reason: 'password=planted3',
          liftedBy: `Bearer planted4planted4 ${USER}`,
        });
      const found = await audit.find({ ...TENANT, userId: USER, action: 'invoice.pay' });
      expect(found.events.map(({ userId }) => userId)).toEqual(Array(2).fill(pseudonym(USER, PSEUDONYM_KEY)));
      expect(await app.get(DataProtection).forget({ ...TENANT, subjectId: USER })).toMatchObject({ keys: 1 });
      let exported = 0;
      for await (const event of app.get(DataProtection).exportSubject({ ...TENANT, subjectId: USER }))
        if (event.action === 'invoice.pay') exported += 1;
      expect(exported).toBe(2);
      const rows = JSON.stringify(await stored());
      for (const name of [...NAMES.slice(0, 1), EMAIL, 'planted1', 'planted2', 'planted3', 'planted4'])
        expect(rows).not.toContain(name);
    });
  });

  // What is refused or written is decided before the database is asked.
  if (name !== 'sqlite') return;

  describe('with nothing redacted or protected', () => {
    start({});

    it('are in clear where nothing of it is redacted or protected', async () => {
      await audit.find({ ...TENANT, userId: USER, ipAddress: ADDRESS });
      const [read] = await stored("WHERE action = 'audit.read'");
      expect(JSON.parse(String(read!['details']))).toMatchObject({
        'filter.userId': USER,
        'filter.ipAddress': ADDRESS,
      });
    });
  });

  describe('with redaction that makes one value of several', () => {
    start({
      redaction: { patterns: { email: 'mask' }, fields: { resourceId: 'remove' } },
    });

    it('of a legal hold are refused where redaction makes one value of several', async () => {
      const masked = await old(USER);
      await eventually(() => audit.flush());
      await audit.checkpoint();
      const because = { reason: 'case 7', placedBy: 'bob' };
      for (const [field, value] of [
        ['userId', USER],
        // By a pattern that is always looked for.
        ['userId', '4111111111111111'],
        ['resource', EMAIL],
        ['resourceId', 'INV-7'],
      ] as const) {
        await expect(retained().placeHold({ ...TENANT, [field]: value, ...because })).rejects.toMatchObject({
          code: 'AUDIT_INVALID_QUERY',
          field,
        });
      }
      await expect(
        (async () => {
          for await (const _event of app.get(DataProtection).exportSubject({ ...TENANT, subjectId: USER }))
            break;
        })(),
      ).rejects.toMatchObject({ field: 'subjectId' });
      // Nor does a read by one of them show the others.
      expect((await audit.find({ ...TENANT, userId: USER })).events).toEqual([]);
      // All of them can be held together.
      await retained().placeHold({ ...TENANT, userId: masked.userId!, ...because });
      expect(await retained().removeExpired()).toMatchObject({ removed: 0, held: 1 });
      expect(JSON.stringify(await stored("WHERE action = 'audit.hold'"))).not.toContain(USER);
    });
  });
});
