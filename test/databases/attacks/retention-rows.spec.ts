// Whoever may insert events may insert any: what they hold stops no removal of others, and costs no more than they are many.
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys } from '../../../src/ledger/index.js';
import { AS_A_TOOL } from '../../support/ledger-app.js';
import type { RawTables } from '../../support/ledger-app.js';
import { describeEachDatabase } from '../../support/harness/databases.js';
import { found, invented, old, OLD, RetainedLog, rowOf } from '../../support/retained-log.js';
import type { Row } from '../../support/retained-log.js';
import { toStored } from '../../support/stored-rows.js';

const ledger = { signingKey: generateKeys('audit.test').signerKey };

describeEachDatabase('rows that an attacker inserts before retention', (create, name) => {
  let log: RetainedLog;
  let attacker: RawTables;

  beforeEach(async () => {
    log = await RetainedLog.on(await create());
    attacker = await log.inserter();
  });
  afterEach(() => log.close());

  const hostile = (more: Row): Row =>
    rowOf(
      invented({ id: createEventId(OLD), action: 'invoice.read', category: 'data_access', timestamp: OLD }),
      more,
    );

  it('hold up no removal', async () => {
    await log.start({ ledger, delivery: AS_A_TOOL });
    await log.sealed(old(20));
    await log.dropChecks(attacker);
    const tenants = [' ', 'acme ', 'ACME', '\u0001', '\u{1f600}', '\uffff', "'; --", 'x'.repeat(128)];
    const rows = [
      ...['{', 'null', '[]', '"\\u0000"', ''].map((details) => hostile({ details })),
      ...['{', '', '7'].map((metadata) => hostile({ metadata })),
      ...['00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000001'].map((id) =>
        hostile({ id }),
      ),
      ...[0, -1, 2 ** 53, '9223372036854775807', '-9223372036854775808'].map((timestamp) =>
        hostile({ timestamp }),
      ),
      ...tenants.map((tenantId) => hostile({ tenant_id: tenantId })),
      hostile({ risk_score: 32_767, severity: 0, outcome: 0 }),
      hostile({ category: 0 }),
    ];
    await attacker.insert('audit_events', rows);
    // A process looks for events that came so late when it begins to seal.
    const audit = await log.start({ ledger });
    await audit.checkpoint();
    expect(await audit.verify()).toMatchObject({ pending: 0 });
    const would = await log.retention.removeExpired({ dryRun: true });
    const done = await log.retention.removeExpired();
    expect(done.removed).toBe(would.removed);
    expect(done.removed).toBeGreaterThanOrEqual(20);
    expect(await log.retention.removeExpired()).toMatchObject({ removed: 0 });
    const { events } = await audit.find({ tenantId: 'acme', userId: 'nobody' });
    expect(events).toEqual([]);
    await audit.checkpoint();
    const { removed, problems } = await audit.verify();
    expect(removed).toBe(done.removed);
    const codes = problems.map(({ code }) => code);
    for (const code of ['event_missing', 'removal_untrusted', 'leaf_changed'])
      expect(codes).not.toContain(code);
  });

  it('cost a statement or two for each tenant that they invent', async () => {
    let statements = 0;
    let isCounting = false;
    await log.start({ ledger }, () => {
      if (isCounting) statements += 1;
    });
    await log.sealed(old(5));
    const costs: number[] = [];
    for (const count of [100, 200]) {
      const more = Array.from({ length: count }, (_, index) =>
        hostile({ id: createEventId(Date.now()), tenant_id: `invented ${count} ${index}` }),
      );
      await attacker.insert('audit_events', more);
      [statements, isCounting] = [0, true];
      await log.retention.removeExpired();
      isCounting = false;
      costs.push(statements);
    }
    // Those of before are there still.
    expect(costs[1]! - costs[0]!).toBeLessThan(2 * 200);
    expect(costs[0]).toBeGreaterThan(0);
  });

  it('that say to be holds are read once for many batches', async () => {
    let pages = 0;
    await log.start({ ledger }, (statement) => {
      if (/SUBSTR\(e\.details/.test(statement)) pages += 1;
    });
    await log.sealed(old(35));
    const forged = Array.from({ length: 450 }, () =>
      hostile({ id: createEventId(Date.now()), action: 'audit.hold' }),
    );
    await attacker.insert('audit_events', forged);
    await log.retention.holds({ tenantId: 'acme' });
    const once = pages;
    expect(once).toBeGreaterThan(0);
    pages = 0;
    // Five batches, and what is held after them.
    expect(await log.retention.removeExpired()).toMatchObject({ removed: 35, held: 0 });
    expect(pages).toBeLessThanOrEqual(2 * once);
  });

  it('and those that removed anything are read again once, however many events are missing', async () => {
    let reads = 0;
    const audit = await log.start({ ledger }, (statement) => {
      if (/SELECT DISTINCT tenant_id, action/.test(statement)) reads += 1;
    });
    const events = await log.sealed(old(1_100));
    const writer = await log.writer();
    const costs: number[] = [];
    for (const gone of [events[0]!, events.at(-1)!]) {
      await writer.query(`DELETE FROM audit_events WHERE id = '${gone.id}'`);
      reads = 0;
      const { problems } = await audit.verify();
      costs.push(reads);
      expect(found(problems)).toContainEqual(['event_missing', gone.id]);
    }
    expect(costs[1]).toBe(costs[0]);
  });

  if (name !== 'sqlite') return;

  it('are passed over where their bytes are no text, and hide no others', async () => {
    await log.start({ ledger });
    await log.sealed([...old(10), ...old(10, { tenantId: 'ħ' })]);
    const held = await log.retention.placeHold({
      tenantId: 'acme',
      userId: 'ann',
      reason: 'r',
      placedBy: 'p',
    });
    const bytes = (hex: string) => `CAST(x'${hex}' AS TEXT)`;
    const idOf = (hex: string) => `x'${hex.padEnd(32, '0')}'`;
    const columns = Object.keys(hostile({}));
    const insert = (row: Row, changes: Record<string, string>) => {
      const stored = toStored(attacker.connection, 'audit_events', row);
      return attacker.query(
        `INSERT INTO audit_events (${columns.map((column) => attacker.q(column)).join(', ')}) VALUES (${columns
          .map((column) => changes[column] ?? literal(stored[column]))
          .join(', ')})`,
      );
    };
    // More than any page has: tenants between those of ASCII and the others, and ids before all others.
    for (let index = 0; index < 520; index += 1) {
      const hex = index.toString(16).padStart(4, '0');
      await insert(hostile({ id: createEventId(Date.now()) }), { tenant_id: bytes(`80${hex}`) });
    }
    for (let index = 0; index < 220; index += 1) {
      const id = idOf(`00ff${index.toString(16).padStart(4, '0')}`);
      await insert(hostile({}), { id });
      await insert(hostile({ action: 'audit.hold' }), {
        id: idOf(`000000ff${index.toString(16).padStart(4, '0')}`),
      });
    }
    expect(await log.retention.holds({ allTenants: true })).toEqual([held]);
    expect(await log.retention.removeExpired()).toMatchObject({ removed: 20, held: 0 });
  });
});

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (Buffer.isBuffer(value)) return `x'${value.toString('hex')}'`;
  return typeof value === 'number' ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
}
