// What is stored gets into the log by itself, in order and once; who signs it, and where it is told.
import 'reflect-metadata';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AuditError } from 'nest-audit-trail';
import type { AuditLogEvent, LedgerOptions, SignedCheckpoint } from 'nest-audit-trail';
import { createEventId } from '../../src/event/event-id.js';
import {
  checkProof,
  generateKeys,
  openNote,
  parseCheckpoint,
  parseSignerKey,
  parseVerifierKey,
} from '../../src/ledger/index.js';
import { ledgerKeys } from '../../src/sealer/ledger-keys.js';
import { numbered, openStore } from '../app/audit-store.js';
import type { AuditStore } from '../app/audit-store.js';
import { eventually } from '../app/eventually.js';
import { dropTriggers, LEDGER_TABLES, startLedgerApp } from '../app/ledger-app.js';
import type { LedgerApp } from '../app/ledger-app.js';
import { describeEachDatabase } from '../harness/databases.js';
import type { TestDatabase } from '../harness/databases.js';

const [first, second] = [generateKeys('audit.example'), generateKeys('audit.example')];

describe('signing keys', () => {
  it('come from the option, else from the environment', () => {
    const environment = { AUDIT_SIGNING_KEY: second.signerKey };
    expect(ledgerKeys({}, {})).toEqual({ verifiers: [] });
    expect(ledgerKeys({}, { AUDIT_SIGNING_KEY: '' })).toEqual({ verifiers: [] });
    expect(ledgerKeys({}, environment).signer!.verifierKey).toBe(second.verifierKey);
    const keys = ledgerKeys({ signingKey: first.signerKey, verifierKeys: [second.verifierKey] }, environment);
    expect(keys.signer!.verifierKey).toBe(first.verifierKey);
    expect(keys.verifiers.map(({ verifierKey }) => verifierKey)).toEqual([
      first.verifierKey,
      second.verifierKey,
    ]);
  });

  it('are refused at start where they are none, without being told', () => {
    const secret = first.signerKey.slice(-44);
    const wrong: [LedgerOptions, Record<string, string>, string][] = [
      [{ signingKey: first.signerKey.slice(0, -3) }, {}, 'ledger.signingKey'],
      [{ signingKey: first.verifierKey }, {}, 'ledger.signingKey'],
      [{}, { AUDIT_SIGNING_KEY: `x${first.signerKey}` }, 'ledger.signingKey'],
      [{ signingKey: { verifierKey: 'a', sign: () => Buffer.alloc(0) } }, {}, 'ledger.signingKey'],
      [{ verifierKeys: [first.verifierKey, first.signerKey] }, {}, 'ledger.verifierKeys[1]'],
    ];
    for (const [options, environment, field] of wrong) {
      let thrown: unknown;
      try {
        ledgerKeys(options, environment);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(AuditError);
      expect(thrown).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field });
      expect(String(thrown)).not.toContain(secret.slice(4, 20));
    }
  });
});

describeEachDatabase('sealing', (create, name) => {
  let database: TestDatabase;
  let store: AuditStore;
  const apps: LedgerApp[] = [];

  beforeEach(async () => {
    database = await create();
    store = await openStore(database.options);
  });

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await store.close();
    await database.drop();
  });

  async function start(ledger: LedgerOptions = {}, journal = database.journal): Promise<LedgerApp> {
    const app = await startLedgerApp({ ...database, journal }, { ledger });
    apps.push(app);
    return app;
  }

  const record = (app: LedgerApp, count: number) =>
    Promise.all(Array.from({ length: count }, () => app.audit.record({ action: 'thing.create' })));
  const openedBy = (note: string) =>
    openNote(
      note,
      [first, second].map(({ verifierKey }) => parseVerifierKey(verifierKey)),
    ).verifiedBy.map(({ verifierKey }) => verifierKey);

  it('goes on in the background', async () => {
    const { audit } = await start({ intervalMs: 20 });
    await record({ audit } as LedgerApp, 1_200);
    await audit.flush();
    await eventually(async () => expect(await audit.verify()).toMatchObject({ pending: 0, events: 1_200 }));
    expect(await audit.verify()).toMatchObject({ ok: true, signaturesChecked: false });
    const { note, ...checkpoint } = await audit.checkpoint();
    expect(checkpoint).toEqual({
      origin: expect.stringMatching(/^nest-audit-trail\/[0-9a-f]{16}$/),
      treeSize: 1_200,
      rootHash: expect.stringMatching(/^[\w+/]{43}=$/),
    });
    // Not signed: the text and an empty line.
    expect(parseCheckpoint(note.slice(0, -1))).toMatchObject({ treeSize: 1_200 });
  });

  it('is done when an application has closed, and has nothing to do where nothing was recorded', async () => {
    const app = await start({ signingKey: first.signerKey, origin: 'log.example' });
    const { note, ...empty } = await app.audit.checkpoint();
    expect(empty).toEqual({
      origin: 'log.example',
      treeSize: 0,
      rootHash: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
    });
    expect(openedBy(note)).toEqual([first.verifierKey]);
    await record(app, 3);
    await apps.pop()!.close();
    const reader = await start({ seal: false });
    expect(await reader.audit.verify({ keys: [first.verifierKey] })).toMatchObject({
      ok: true,
      events: 3,
      pending: 0,
    });
    expect(await reader.audit.checkpoint()).toMatchObject({ origin: 'log.example', treeSize: 3 });
  });

  it('waits for a missing number, then tells of the loss, and takes what comes late', async () => {
    const source = createEventId(Date.now());
    const [one, two, three, four, five] = [1, 2, 3, 4, 5].map((sequence) => numbered(source, sequence)) as [
      AuditLogEvent,
      AuditLogEvent,
      AuditLogEvent,
      AuditLogEvent,
      AuditLogEvent,
    ];
    await store.events.append([five, one]);
    const patient = await start();
    expect(await patient.audit.checkpoint()).toMatchObject({ treeSize: 1 });
    expect(await patient.audit.verify()).toMatchObject({ ok: true, events: 1, pending: 1 });
    await expect(patient.audit.prove(five.id)).rejects.toMatchObject({ code: 'AUDIT_NOT_SEALED' });
    await apps.pop()!.close();

    const observed: AuditLogEvent[] = [];
    const { audit } = await start({ gapTimeoutMs: 0 });
    const subscription = audit.observe().subscribe((event) => observed.push(event));
    // The event that tells of the gap is one of the log.
    expect(await audit.checkpoint()).toMatchObject({ treeSize: 3 });
    subscription.unsubscribe();
    expect(observed).toEqual([
      expect.objectContaining({
        action: 'audit.gap',
        category: 'system',
        outcome: 'failure',
        details: { source, from: 2, to: 4 },
      }),
    ]);
    const [gap] = observed;
    expect(await audit.findById(gap!.id, { allTenants: true })).toEqual(gap);
    const { problems, ok } = await audit.verify();
    expect(ok).toBe(false);
    expect(problems).toEqual([
      {
        code: 'sequence_gap',
        source,
        sequence: 2,
        eventId: gap!.id,
        leafIndex: 1,
        message: expect.stringContaining('Numbers 2 to 4'),
      },
    ]);

    await store.events.append([three]);
    expect(await audit.verify()).toMatchObject({ pending: 1 });
    expect(await audit.checkpoint()).toMatchObject({ treeSize: 4 });
    expect((await audit.verify()).problems.map(({ sequence }) => sequence)).toEqual([2, 4]);
    // What the database refused is not lost.
    await store.letters.keep(four, 'refused');
    expect((await audit.verify()).problems.map(({ sequence }) => sequence)).toEqual([2]);
    await store.events.append([two]);
    expect(await audit.checkpoint()).toMatchObject({ treeSize: 5 });
    expect(await audit.verify()).toMatchObject({ ok: true });
    expect(await audit.replayDeadLetters({ allTenants: true })).toEqual({ replayed: 1, refused: 0 });
    expect(await audit.checkpoint()).toMatchObject({ treeSize: 6 });
    expect(await audit.verify()).toMatchObject({ ok: true, events: 6, pending: 0 });
  });

  it('misses the tail of a source that has ended', async () => {
    const source = createEventId(Date.now());
    await store.events.append([numbered(source, 1)]);
    await store.sources.note({ source, kind: 'abandoned', sequence: 3, process: '{}' });
    const { audit } = await start({ gapTimeoutMs: 0 });
    expect((await audit.verify()).problems).toMatchObject([{ code: 'sequence_gap', source, sequence: 1 }]);
    await audit.checkpoint();
    expect((await audit.verify()).problems).toMatchObject([{ code: 'sequence_gap', source, sequence: 2 }]);
  });

  it('takes events of transactions that commit, and no others', async () => {
    const { audit } = await start();
    const { connection } = store;
    await connection.transaction((manager) => audit.record({ action: 'thing.update' }, { manager }));
    await connection
      .transaction(async (manager) => {
        await audit.record({ action: 'thing.delete' }, { manager });
        throw new Error('rolled back');
      })
      .catch(() => undefined);
    expect(await audit.checkpoint()).toMatchObject({ treeSize: 1 });
    expect(await audit.verify()).toMatchObject({ ok: true, events: 1, pending: 0 });
  });

  it('does not take an event of a number that this process has not given away', async () => {
    const app = await start();
    const [{ metadata, ...event }] = (await record(app, 1)) as [AuditLogEvent];
    await app.audit.flush();
    const forged = { ...event, id: createEventId(Date.now()), metadata: { ...metadata, sequence: 2 } };
    await store.events.append([forged]);
    expect(await app.audit.checkpoint()).toMatchObject({ treeSize: 1 });
    expect((await app.audit.verify()).problems).toMatchObject([
      { code: 'event_inserted', eventId: forged.id },
    ]);
  });

  it('has one history, however many ask for it', async () => {
    // One process to a SQLite file; there, the same one asks.
    const count = name === 'sqlite' ? 1 : 3;
    const all: LedgerApp[] = [];
    for (let index = 0; index < count; index += 1) all.push(await start({}, `${database.journal}-${index}`));
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(all.map((app) => record(app, 20)));
      await Promise.all(all.map(({ audit }) => audit.flush()));
      await Promise.all([...all, ...all].map(({ audit }) => audit.checkpoint()));
    }
    const result = await all[0]!.audit.verify();
    expect(result).toMatchObject({ ok: true, pending: 0, events: 200 * count, treeSize: 200 * count });
  });

  it('changes keys, and goes on from nobody else', async () => {
    const old = await start({ signingKey: first.signerKey });
    await record(old, 2);
    await apps.pop()!.close();

    const stranger = await start({ signingKey: second.signerKey });
    await record(stranger, 1);
    await stranger.audit.flush();
    await expect(stranger.audit.checkpoint()).rejects.toMatchObject({
      code: 'AUDIT_LEDGER_BROKEN',
      message: expect.stringContaining('ledger.verifierKeys'),
    });
    await apps.pop()!.close();

    const next = await start({ signingKey: second.signerKey, verifierKeys: [first.verifierKey] });
    expect(openedBy((await next.audit.checkpoint()).note)).toEqual([second.verifierKey]);
    expect(await next.audit.verify()).toMatchObject({ ok: true, events: 3, unsigned: 0 });
    const { problems } = await next.audit.verify({ keys: [second.verifierKey] });
    expect(problems).toMatchObject([{ code: 'checkpoint_untrusted', treeSize: 2 }]);
  });

  it('signs by a key that is elsewhere, from when there is one', async () => {
    const unsigned = await start();
    await record(unsigned, 2);
    await apps.pop()!.close();
    const signer = parseSignerKey(first.signerKey);
    const signingKey = {
      verifierKey: first.verifierKey,
      sign: async (bytes: Uint8Array) => signer.sign(bytes),
    };
    const app = await start({ signingKey });
    await record(app, 1);
    await app.audit.flush();
    expect(openedBy((await app.audit.checkpoint()).note)).toEqual([first.verifierKey]);
    expect(await app.audit.verify()).toMatchObject({ ok: true, unsigned: 1, checkpoints: 2 });
  });

  it('tells each checkpoint to files, servers and functions, until they take it', async () => {
    const posted: string[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        response.statusCode = posted.length === 0 && request.headers['x-tries'] === undefined ? 503 : 204;
        posted.push(`${request.headers.authorization} ${body}`);
        response.end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const handed: SignedCheckpoint[] = [];
    let failures = 1;
    const file = `${database.journal}-checkpoints.jsonl`;
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/log`;
    const app = await start({
      signingKey: first.signerKey,
      publish: [
        { file },
        { url, headers: { authorization: 'Bearer token' } },
        (checkpoint) => {
          if (failures-- > 0) throw new Error('not now');
          handed.push(checkpoint);
        },
      ],
    });
    const made: SignedCheckpoint[] = [];
    for (let round = 0; round < 2; round += 1) {
      await record(app, 2);
      await app.audit.flush();
      made.push(await app.audit.checkpoint());
    }
    await eventually(() => {
      expect(handed).toEqual(made);
      expect(posted).toHaveLength(3);
    });
    expect(posted).toEqual([made[0], made[0], made[1]].map((one) => `Bearer token ${one!.note}`));
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(made);
    server.close();
  });

  it('proves an event to whoever has the verifier key', async () => {
    const app = await start({ signingKey: first.signerKey });
    const events = await record(app, 300);
    await app.audit.flush();
    const [verifier] = [parseVerifierKey(first.verifierKey)];
    for (const event of [events[0]!, events[255]!, events[256]!, events[299]!]) {
      const proof = await app.audit.prove(event.id);
      expect(proof).toMatchObject({ event, treeSize: 300 });
      expect(checkProof(JSON.parse(JSON.stringify(proof)), [verifier])).toMatchObject({ ok: true });
      expect(checkProof({ ...proof, event: { ...event, userId: 'eve' } }, [verifier])).toMatchObject({
        ok: false,
      });
    }
    expect(await app.audit.prove(createEventId(0))).toBeUndefined();
    expect(await app.audit.prove(events[0]!.id, { tenantId: 'other' })).toBeUndefined();
    await expect(app.audit.prove(events[0]!.id, {} as never)).rejects.toMatchObject({
      code: 'AUDIT_INVALID_QUERY',
    });
  });

  it('does not go on from a log that was changed, and harms nobody by that', async () => {
    const before = await start();
    await record(before, 5);
    await apps.pop()!.close();
    await dropTriggers(store.connection, database);
    const [first] = (await before.audit.find({ allTenants: true }).catch(() => ({ events: [] }))).events;
    expect(first).toBeUndefined();
    await store.connection.query(
      `UPDATE audit_leaves SET leaf_hash = '${Buffer.alloc(32).toString('base64')}' WHERE leaf_index = 2`,
    );
    const app = await start({ intervalMs: 20 });
    const [event] = await record(app, 1);
    await app.audit.flush();
    await expect(app.audit.checkpoint()).rejects.toMatchObject({ code: 'AUDIT_LEDGER_BROKEN' });
    expect(await app.audit.findById(event!.id, { allTenants: true })).toEqual(event);
    expect((await app.audit.verify()).problems).toMatchObject([{ code: 'leaf_changed', leafIndex: 2 }]);
  });

  it('is on tables that refuse UPDATE and DELETE', async () => {
    const app = await start();
    await record(app, 300);
    await app.audit.flush();
    await app.audit.checkpoint();
    await store.letters.keep(numbered('a', 1), 'refused');
    for (const table of [...LEDGER_TABLES, 'audit_sources', 'audit_dead_letters']) {
      const [column] = Object.keys((await store.connection.query(`SELECT * FROM ${table}`))[0] as object);
      const q = store.connection.driver.escape(column!);
      const refused = `${table} is append-only`;
      await expect(store.connection.query(`UPDATE ${table} SET ${q} = ${q}`)).rejects.toThrow(refused);
      await expect(store.connection.query(`DELETE FROM ${table}`)).rejects.toThrow(refused);
      if (name === 'postgres') {
        await expect(store.connection.query(`TRUNCATE ${table}`)).rejects.toThrow(refused);
      }
    }
    expect(await app.audit.verify()).toMatchObject({ ok: true, events: 300 });
  });

  it('is verified only as can be', async () => {
    const { audit } = await start();
    for (const [options, field] of [
      [{ from: -1 }, 'from'],
      [{ from: 1 }, 'from'],
      [{ to: 1 }, 'to'],
      [{ maxProblems: 0 }, 'maxProblems'],
      [{ keys: ['key'] }, 'keys[0]'],
      [{ checkpoints: ['note'] }, 'checkpoints[0]'],
    ] as const) {
      await expect(audit.verify(options)).rejects.toMatchObject({ code: 'AUDIT_INVALID_QUERY', field });
    }
    const aborted = AbortSignal.abort(new Error('enough'));
    await expect(audit.verify({ signal: aborted })).rejects.toThrow('enough');
  });
});
