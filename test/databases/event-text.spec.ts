// The text that a leaf is the hash of can be taken apart in one way only: no other row has the leaf of an event.
import 'reflect-metadata';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import type { AuditLogEvent } from 'nest-audit-trail';
import { canonicalEvent, canonicalEventOf } from '../../src/ledger/canonical-event.js';
import type { EventParts } from '../../src/ledger/canonical-event.js';
import { canonicalJson } from '../../src/ledger/canonical-json.js';
import { eventLeafHash, generateKeys } from '../../src/ledger/index.js';
import { RawTables, startLedgerApp } from '../support/ledger-app.js';
import type { LedgerApp } from '../support/ledger-app.js';
import { describeEachDatabase } from '../support/harness/databases.js';

const ID = '019ab3f0-0000-7000-8000-000000000001';
const PLANTED_ID = '019ab3f0-0000-7000-8000-000000000002';

/** With facts that are named as the fields of an event are, as a request's body may have them. */
const event: AuditLogEvent = {
  id: ID,
  timestamp: 1_764_000_000_000,
  tenantId: 'acme',
  action: 'invoice.approve',
  resource: 'invoice',
  details: {
    amount: 1,
    details: 'none',
    id: PLANTED_ID,
    ipAddress: '192.0.2.2',
    metadata: 5,
    outcome: 'success',
  },
  ipAddress: '192.0.2.1',
  severity: 'low',
  category: 'data_modification',
  outcome: 'failure',
  riskScore: 5,
  complianceFlags: ['sox-404'],
  metadata: { id: 'm', outcome: 'partial', resource: 'other' },
};
const partsOf = (of: AuditLogEvent): EventParts => ({
  ...of,
  details: canonicalJson(of.details),
  complianceFlags: canonicalJson(of.complianceFlags),
  metadata: canonicalJson(of.metadata),
});
const honest = partsOf(event);

describe('the text of an event', () => {
  it('is of its parts', () => {
    expect(canonicalEventOf(honest)).toBe(canonicalEvent(event));
    const hash = createHash('sha256').update(Buffer.of(0)).update(canonicalEventOf(honest)).digest();
    expect(eventLeafHash(event).equals(hash)).toBe(true);
  });

  it.each<[string, Partial<EventParts>]>([
    [
      'flags that go on into the details',
      {
        complianceFlags: '["sox-404"],"details":{"amount":1',
        details:
          '"none","id":"019ab3f0-0000-7000-8000-000000000002","ipAddress":"192.0.2.2","metadata":5,"outcome":"success"}',
      },
    ],
    [
      'another id and address, which its details have',
      {
        id: PLANTED_ID,
        ipAddress: '192.0.2.2',
        details: '{"amount":1,"details":"none"',
        metadata: `5,"outcome":"success"},"id":"${ID}","ipAddress":"192.0.2.1","metadata":${honest.metadata}`,
      },
    ],
  ])('is another with %s', (_, moved) => {
    const forged = { ...honest, ...moved };
    // Field by field, it is the same text.
    const joined = (parts: EventParts) =>
      `"complianceFlags":${parts.complianceFlags},"details":${parts.details},"id":"${parts.id}",` +
      `"ipAddress":"${parts.ipAddress}","metadata":${parts.metadata},`;
    expect(joined(forged)).toBe(joined(honest));
    expect(canonicalEventOf(forged)).not.toBe(canonicalEvent(event));
  });

  it('is another wherever the bounds of its parts are moved to', () => {
    const facts = fc.dictionary(
      fc.constantFrom('a', 'details', 'id', 'ipAddress', 'metadata', 'outcome', 'resource', 'z'),
      fc.constantFrom<string | number | string[]>(1, '1', 'success', '{"id":1}', ['x', 'y']),
    );
    let moved = 0;
    fc.assert(
      fc.property(facts, facts, fc.array(fc.constantFrom('x', 'details')), (details, metadata, flags) => {
        const sealed: AuditLogEvent = { ...event, details, metadata, complianceFlags: flags };
        const own = partsOf(sealed);
        for (const parts of cutsOf(canonicalEvent(sealed), own)) {
          const isSame = Object.entries(own).every(([name, value]) => parts[name as never] === value);
          if (!isSame) moved += 1;
          expect(canonicalEventOf(parts) === canonicalEvent(sealed)).toBe(isSame);
        }
      }),
      { numRuns: 2_000, seed: 21 },
    );
    expect(moved).toBeGreaterThan(1_000);
  });
});

/** Every row whose fields, one behind the other, are this text. */
function* cutsOf(text: string, own: EventParts): Generator<EventParts> {
  const placesOf = (token: string) => [...text.matchAll(new RegExp(token, 'g'))].map(({ index }) => index);
  const [flags, details] = ['"complianceFlags":', ',"details":'];
  const from = text.indexOf(flags) + flags.length;
  // What is behind the metadata has no text of a reader's own: it can't be cut elsewhere.
  const to = text.lastIndexOf(',"outcome":');
  for (const endOfFlags of placesOf(details)) {
    for (const endOfDetails of placesOf(',"id":')) {
      const startOfDetails = endOfFlags + details.length;
      const middle = /^,"id":"([^"]*)"(?:,"ipAddress":"([^"]*)")?,"metadata":/.exec(text.slice(endOfDetails));
      if (!middle || startOfDetails > endOfDetails) continue;
      const { ipAddress: _, ...rest } = own;
      yield {
        ...rest,
        complianceFlags: text.slice(from, endOfFlags),
        details: text.slice(startOfDetails, endOfDetails),
        id: middle[1]!,
        ...(middle[2] !== undefined && { ipAddress: middle[2] }),
        metadata: text.slice(endOfDetails + middle[0].length, to),
      };
    }
  }
}

describeEachDatabase('a row whose columns were cut elsewhere', (create) => {
  let app: LedgerApp;
  let raw: RawTables | undefined;

  afterAll(async () => {
    await raw?.close();
    await app.close();
  });

  it('is found', async () => {
    const database = await create();
    app = await startLedgerApp(database, {
      ledger: { signingKey: generateKeys('audit.example').signerKey },
    });
    const recorded = await app.audit.record({
      action: 'invoice.approve',
      tenantId: 'acme',
      details: { amount: 1, details: 'none' },
      complianceFlags: ['sox-404'],
    });
    await app.audit.flush();
    await app.audit.checkpoint();
    expect(await app.audit.verify()).toMatchObject({ ok: true, problems: [] });
    raw = await RawTables.open(database);
    const place = (index: number) => (database.name === 'postgres' ? `$${index}` : '?');
    await raw.connection.query(
      `UPDATE ${raw.q('audit_events')} SET ${raw.q('compliance_flags')} = ${place(1)}, ${raw.q('details')} = ${place(2)}`,
      ['["sox-404"],"details":{"amount":1', '"none"}'],
    );
    expect(await app.audit.verify()).toMatchObject({
      ok: false,
      problems: [{ code: 'event_changed', eventId: recorded.id, leafIndex: 0 }],
    });
  });
});
