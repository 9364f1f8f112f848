// What is stored gets into the log by itself, in order and once; who signs it, and where it is told.
import 'reflect-metadata';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { DataSource } from 'typeorm';
import { AuditError } from 'nest-audit-trail';
import type { AuditLogEvent, DeliveryOptions, LedgerOptions, SignedCheckpoint } from 'nest-audit-trail';
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
import { SealingRepository } from '../../src/store/sealing.repository.js';
import { numbered, openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { collectorAlone } from '../support/collector-alone.js';
import { insertRows, rowOf } from '../support/event-rows.js';
import { eventually } from '../support/eventually.js';
import {
  AS_A_TOOL,
  dropTriggers,
  LEDGER_TABLES,
  logged,
  RawTables,
  startLedgerApp,
} from '../support/ledger-app.js';
import type { LedgerApp } from '../support/ledger-app.js';
import { removable } from '../support/removable-database.js';
import { writeNote } from '../support/source-notes.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

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

const record = ({ audit }: Pick<LedgerApp, 'audit'>, count: number) =>
  Promise.all(Array.from({ length: count }, () => audit.record({ action: 'thing.create' })));

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

  async function start(
    ledger: LedgerOptions = {},
    journal = database.journal,
    delivery: Pick<DeliveryOptions, 'mode' | 'thread'> = {},
  ): Promise<LedgerApp> {
    const app = await startLedgerApp({ ...database, journal }, { ledger, delivery });
    apps.push(app);
    return app;
  }

  /** It has an event to seal, and does not go on from the log that is there. */
  async function expectRefused(app: LedgerApp, said: string): Promise<void> {
    await record(app, 1);
    await app.audit.flush();
    await expect(app.audit.checkpoint()).rejects.toMatchObject({
      code: 'AUDIT_LEDGER_BROKEN',
      message: expect.stringContaining(said),
    });
  }

  const openedBy = (note: string) =>
    openNote(
      note,
      [first, second].map(({ verifierKey }) => parseVerifierKey(verifierKey)),
    ).verifiedBy.map(({ verifierKey }) => verifierKey);

  it('goes on in the background', async () => {
    const { audit } = await start({ intervalMs: 20 });
    await record({ audit }, 1_200);
    await audit.flush();
    await eventually(async () => {
      const [row] = await store.connection.query<{ size: unknown }[]>(
        'SELECT MAX(tree_size) AS size FROM audit_checkpoints',
      );
      expect(Number(row!.size)).toBe(1_200);
    });
    expect(await audit.verify()).toMatchObject({
      ok: true,
      pending: 0,
      events: 1_200,
      signaturesChecked: false,
    });
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
    const reader = await start({ seal: false }, database.journal, AS_A_TOOL);
    expect(await reader.audit.verify({ keys: [first.verifierKey] })).toMatchObject({
      ok: true,
      events: 3,
      pending: 0,
    });
    expect(await reader.audit.checkpoint()).toMatchObject({ origin: 'log.example', treeSize: 3 });
  });

  if (name !== 'sqlite') {
    it('knows after the death of its thread what has the numbers that only memory gave away', async () => {
      const threads: Worker[] = [];
      const note = (worker: Worker) => void threads.push(worker);
      process.on('worker', note);
      const app = await start({ intervalMs: 60_000, gapTimeoutMs: 0 }, database.journal, {
        mode: 'buffered',
      });
      await record(app, 3);
      await app.audit.flush();
      await threads[0]!.terminate();
      process.off('worker', note);
      await record(app, 1);
      await eventually(async () => {
        await app.audit.flush();
        expect(await app.audit.checkpoint()).toMatchObject({ treeSize: 4 });
      });
      expect(await app.audit.verify()).toMatchObject({ ok: true, events: 4, pending: 0 });
    });
  }

  if (name !== 'sqlite') {
    it('says that it can not be asked, after the death of its thread', async () => {
      const threads: Worker[] = [];
      const note = (worker: Worker) => void threads.push(worker);
      process.on('worker', note);
      const { audit } = await start();
      const [event] = await record({ audit }, 1);
      await audit.flush();
      await threads[0]!.terminate();
      process.off('worker', note);
      const questions = [() => audit.checkpoint(), () => audit.verify(), () => audit.prove(event!.id)];
      for (const ask of questions) {
        await expect(ask()).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
      }
    });
  }

  it('seals a new event though an id of a time to come is there', async () => {
    const forged = { ...numbered('a', 1), metadata: {}, id: 'ffffffff-ffff-7fff-bfff-ffffffffffff' };
    await store.events.append([forged]);
    // It rests for 72 s.
    const app = await start({ intervalMs: 600 });
    await record(app, 1);
    await app.audit.flush();
    await eventually(async () => {
      const leases = await store.connection.query('SELECT holder FROM audit_leases WHERE term > 1');
      expect(leases).toMatchObject([{ holder: '' }]);
    });
    await record(app, 1);
    await app.audit.flush();
    await eventually(async () => expect(await app.audit.verify()).toMatchObject({ treeSize: 2 }));
  });

  it('may rest after it has looked at rows that are no events, wherever the gaps with their numbers stand', async () => {
    const collector = collectorAlone(store);
    const { audit } = await start({ gapTimeoutMs: 0, intervalMs: 600_000 });
    const source = createEventId(Date.now());
    await store.events.append([1, 3, 5].map((sequence) => numbered(source, sequence)));
    await writeNote(store, { source, kind: 'started', sequence: 0 });
    expect(await audit.checkpoint()).toMatchObject({ treeSize: 5 });
    await store.events.append([numbered(source, 2)]);
    const { treeSize } = await audit.checkpoint();
    expect(treeSize).toBe(6);
    // The first gap has all of its numbers, so that it is passed over until the next round.
    await collector.next(1, treeSize, true);
    const junk = Array.from({ length: 11 }, () => rowOf({ ...numbered(source, 4), timestamp: 1 }));
    await insertRows(store.connection, 'audit_events', junk);
    await collector.next(1, treeSize, true);
    expect(collector.isWaiting).toBe(true);
    // The listing goes on where it was, whether or not the first gap is looked at again.
    collector.begin();
    await collector.next(1, treeSize, true);
    expect(collector.isWaiting).toBe(false);
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
    await writeNote(store, { source, kind: 'started', sequence: 0 });
    const patient = await start({}, database.journal, AS_A_TOOL);
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

  it('has one history, however many ask for it', async () => {
    // One process to a SQLite file; there, the same one asks.
    const count = name === 'sqlite' ? 1 : 3;
    const all: LedgerApp[] = [];
    for (let index = 0; index < count; index += 1) {
      // The third seals by its main thread.
      all.push(await start({}, `${database.journal}-${index}`, index < 2 ? {} : AS_A_TOOL));
    }
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(all.map((app) => record(app, 20)));
      await Promise.all(all.map(({ audit }) => audit.flush()));
      await Promise.all([...all, ...all].map(({ audit }) => audit.checkpoint()));
    }
    const result = await all[0]!.audit.verify();
    expect(result).toMatchObject({ ok: true, pending: 0, events: 100 * count, treeSize: 100 * count });
  });

  it('does not sign again what was set back, cut off or exchanged under its eyes', async () => {
    const app = await start({ signingKey: first.signerKey });
    const grow = async () => {
      await record(app, 2);
      await app.audit.flush();
      return app.audit.checkpoint();
    };
    await grow();
    const raw = await RawTables.open(database);
    const early = await raw.snapshot();
    await grow();
    const late = await raw.snapshot();
    await raw.restore(early);
    await record(app, 2);
    await app.audit.flush();
    await expect(app.audit.checkpoint()).rejects.toMatchObject({
      code: 'AUDIT_LEDGER_BROKEN',
      message: expect.stringContaining('has 2 leaves, and had 4 before'),
    });
    expect((await app.audit.verify()).problems).toContainEqual(
      expect.objectContaining({ code: 'log_truncated', treeSize: 4 }),
    );
    // As long, and longer, but another.
    await raw.restore(early);
    const forger = await start({ signingKey: first.signerKey }, `${database.journal}-forger`, AS_A_TOOL);
    await record(forger, 2);
    await forger.audit.flush();
    for (const size of [4, 5]) {
      expect(await forger.audit.checkpoint()).toMatchObject({ treeSize: size });
      await expect(app.audit.checkpoint()).rejects.toMatchObject({
        code: 'AUDIT_LEDGER_BROKEN',
        message: expect.stringContaining('The first 4 leaves'),
      });
      expect((await app.audit.verify()).problems).toContainEqual(
        expect.objectContaining({ code: 'history_rewritten', treeSize: 4 }),
      );
      await record(forger, 1);
      await forger.audit.flush();
    }
    await apps.pop()!.close();
    await raw.restore(late);
    await raw.close();
    // What it knows is there again.
    expect(await app.audit.checkpoint()).toMatchObject({ treeSize: 4 });
  });

  it('says why nobody seals, where the row of the lease is gone', async () => {
    await store.connection.query('DELETE FROM audit_leases');
    logged.length = 0;
    await start({ intervalMs: 20 });
    await eventually(() => expect(logged.join()).toContain('INSERT INTO'));
    expect(logged.join()).toContain('nobody seals');
    await store.connection.query(/INSERT INTO .*\)/.exec(logged.join())![0]);
    const app = await start({ intervalMs: 20 }, `${database.journal}-2`, AS_A_TOOL);
    await record(app, 1);
    await app.audit.flush();
    await eventually(async () => expect(await app.audit.verify()).toMatchObject({ pending: 0, treeSize: 1 }));
  });

  // What has nothing to do with the database, but with the thread: one server is enough.
  if (name !== 'postgres') {
    it('gives all gaps of a source their time at once', async () => {
      const source = createEventId(Date.now());
      const gapTimeoutMs = 1_500;
      const { audit } = await start({ gapTimeoutMs, signingKey: first.signerKey });
      /** The sizes that the log has on its way to this one. */
      const sizesUntil = async (last: number) => {
        const sizes = new Set<number>();
        await eventually(async () => {
          sizes.add((await audit.checkpoint()).treeSize);
          expect([...sizes]).toContain(last);
        });
        return [...sizes];
      };
      await store.events.append([2, 4, 6, 8].map((sequence) => numbered(source, sequence)));
      await writeNote(store, { source, kind: 'abandoned', sequence: 9 }, first.signerKey);
      // Four events, and five that tell of gaps.
      expect(await sizesUntil(9)).toEqual([0, 9]);
      // One that opens later has its own time.
      const other = createEventId(Date.now());
      await store.events.append([numbered(other, 2)]);
      await writeNote(store, { source: other, kind: 'reached', sequence: 4 }, first.signerKey);
      await audit.checkpoint();
      await delay(gapTimeoutMs / 2);
      await store.events.append([numbered(other, 4)]);
      expect(await sizesUntil(13)).toEqual([9, 11, 13]);
    });

    it('tells once of a source that has lost all of its events', async () => {
      const source = createEventId(Date.now());
      await writeNote(store, { source, kind: 'abandoned', sequence: 3 }, first.signerKey);
      const { audit } = await start({ gapTimeoutMs: 0, signingKey: first.signerKey });
      for (let round = 0; round < 3; round += 1) {
        expect(await audit.checkpoint()).toMatchObject({ treeSize: 1 });
      }
      expect((await audit.verify()).problems).toMatchObject([{ code: 'sequence_gap', source, sequence: 1 }]);
    });

    it('misses what any note says was given away, though the note of the end tells of less', async () => {
      const source = createEventId(Date.now());
      await store.events.append([numbered(source, 1), numbered(source, 2)]);
      await writeNote(store, { source, kind: 'reached', sequence: 4 }, first.signerKey);
      await writeNote(store, { source, kind: 'closed', sequence: 2 }, first.signerKey);
      const { audit } = await start({ gapTimeoutMs: 0, signingKey: first.signerKey });
      expect(await audit.checkpoint()).toMatchObject({ treeSize: 3 });
      expect((await audit.verify()).problems).toMatchObject([{ code: 'sequence_gap', source, sequence: 3 }]);
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
  }

  // What has nothing to do with the database.
  if (name === 'sqlite') {
    it('changes keys, and goes on from nobody else', async () => {
      const old = await start({ signingKey: first.signerKey });
      await record(old, 2);
      await apps.pop()!.close();

      const stranger = await start({ signingKey: second.signerKey });
      await expectRefused(stranger, 'ledger.verifierKeys');
      await apps.pop()!.close();

      const next = await start({ signingKey: second.signerKey, verifierKeys: [first.verifierKey] });
      expect(openedBy((await next.audit.checkpoint()).note)).toEqual([second.verifierKey]);
      expect(await next.audit.verify()).toMatchObject({ ok: true, events: 3, unsigned: 0 });
      const { problems } = await next.audit.verify({ keys: [second.verifierKey] });
      expect(problems).toMatchObject([{ code: 'checkpoint_untrusted', treeSize: 2 }]);
    });

    it('signs by a key that is elsewhere, and what was not signed before only where that is said', async () => {
      const unsigned = await start();
      await record(unsigned, 2);
      await unsigned.audit.flush();
      const { origin } = await unsigned.audit.checkpoint();
      await apps.pop()!.close();
      const signer = parseSignerKey(first.signerKey);
      const signingKey = {
        verifierKey: first.verifierKey,
        sign: async (bytes: Uint8Array) => signer.sign(bytes),
      };
      for (const [options, said] of [
        [{ origin }, 'write ledger: { unsignedUntil: 2 }'],
        [{ origin, unsignedUntil: 1 }, 'write ledger: { unsignedUntil: 2 }'],
        [{ unsignedUntil: 2 }, `write ledger: { origin: '${origin}' }`],
      ] as const) {
        const refusing = await start({ signingKey, ...options });
        await expectRefused(refusing, said);
        await apps.pop()!.close();
      }
      const app = await start({ signingKey, origin, unsignedUntil: 2 });
      await app.audit.flush();
      const { note, treeSize } = await app.audit.checkpoint();
      expect(openedBy(note)).toEqual([first.verifierKey]);
      expect(await app.audit.verify()).toMatchObject({ ok: true, unsigned: 1, checkpoints: 2, treeSize });
      expect((await app.audit.verify({ unsignedUntil: 0 })).problems).toMatchObject([
        {
          code: 'checkpoint_untrusted',
          treeSize: 2,
          message: expect.stringContaining('2 leaves is not signed'),
        },
      ]);
      // A process that has no key must not go on without.
      await apps.pop()!.close();
      const keyless = await start({ origin, seal: true });
      await record(keyless, 1);
      await keyless.audit.flush();
      await keyless.audit.checkpoint();
      const reader = await start(
        { seal: false, verifierKeys: [first.verifierKey], unsignedUntil: 2 },
        `${database.journal}-2`,
      );
      expect((await reader.audit.verify()).problems).toMatchObject([{ code: 'checkpoint_untrusted' }]);
    });

    it('goes on from no log of another name', async () => {
      const other = await start({ signingKey: first.signerKey, origin: 'other.example' });
      await record(other, 1);
      await apps.pop()!.close();
      const app = await start({ signingKey: first.signerKey });
      await expectRefused(app, 'is that of other.example');
      expect((await app.audit.verify()).problems).toMatchObject([
        { code: 'checkpoint_untrusted', treeSize: 1, message: expect.stringContaining('other.example') },
      ]);
    });

    it('hands on at its start what the one before may not have handed on', async () => {
      const silent = await start({ signingKey: first.signerKey });
      await record(silent, 2);
      await silent.audit.flush();
      const newest = await silent.audit.checkpoint();
      await apps.pop()!.close();
      const handed: SignedCheckpoint[] = [];
      const file = `${database.journal}-torn.jsonl`;
      writeFileSync(file, '{"origin":"audit.exa');
      await start({
        signingKey: first.signerKey,
        intervalMs: 20,
        publish: [(checkpoint) => void handed.push(checkpoint), { file }],
      });
      await eventually(() => expect(handed).toEqual([newest]));
      await eventually(() => expect(readFileSync(file, 'utf8').endsWith('\n')).toBe(true));
      const [torn, line] = readFileSync(file, 'utf8').split('\n');
      expect(torn).toBe('{"origin":"audit.exa');
      expect(JSON.parse(line!)).toEqual(newest);
      rmSync(file);
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

    it('takes no event of a transaction of the application that is rolled back meanwhile', async () => {
      const connection = await new DataSource(database.options).initialize();
      const signer = parseSignerKey(first.signerKey);
      let note: () => void = () => undefined;
      const sign = async (bytes: Uint8Array) => {
        note();
        return signer.sign(bytes);
      };
      const app = await startLedgerApp(
        { ...database, options: undefined as never },
        { dataSource: connection, ledger: { signingKey: { verifierKey: first.verifierKey, sign } } },
      );
      apps.push(app);
      const { audit } = app;
      let sealed: Promise<SignedCheckpoint> | undefined;
      const transaction = connection.transaction(async (manager) => {
        await audit.record({ action: 'thing.delete' }, { manager });
        // It has read the event.
        const isRead = new Promise<void>((resolve) => (note = resolve));
        sealed = audit.checkpoint();
        await isRead;
        throw new Error('rolled back');
      });
      await expect(transaction).rejects.toThrow('rolled back');
      expect(await sealed).toMatchObject({ treeSize: 0 });
      expect(await audit.verify()).toMatchObject({ ok: true, pending: 0 });
      await connection.transaction((manager) => audit.record({ action: 'thing.delete' }, { manager }));
      expect(await audit.checkpoint()).toMatchObject({ treeSize: 1 });
      await apps.pop()!.close();
      await connection.destroy();
    });

    it('waits for no key that does not answer', async () => {
      let answer = new Promise<Uint8Array>(() => undefined);
      const sign = () => answer;
      const app = await start({ signingKey: { verifierKey: first.verifierKey, sign } });
      await record(app, 1);
      await app.audit.flush();
      await expect(app.audit.checkpoint()).rejects.toMatchObject({
        code: 'AUDIT_NOT_SEALED',
        message: expect.stringContaining('no answer within 10 s'),
      });
      answer = Promise.reject(new Error('the KMS is away'));
      // Nobody asks for it at once.
      answer.catch(() => undefined);
      await expect(app.audit.checkpoint()).rejects.toMatchObject({
        code: 'AUDIT_NOT_SEALED',
        message: expect.stringContaining('the KMS is away'),
      });
    }, 30_000);
  } else {
    it('waits for no database that does not answer', async () => {
      const app = await startLedgerApp(database, {
        delivery: { statementTimeoutMs: 300 },
        ledger: { signingKey: first.signerKey },
      });
      apps.push(app);
      await record(app, 1);
      // To connect takes longer than a statement may.
      await eventually(() => app.audit.flush());
      const lock = store.connection.createQueryRunner();
      await lock.connect();
      if (name === 'mysql') await lock.query('LOCK TABLES audit_checkpoints WRITE');
      else {
        await lock.query('BEGIN');
        await lock.query('LOCK TABLE audit_checkpoints IN ACCESS EXCLUSIVE MODE');
      }
      try {
        await expect(app.audit.checkpoint()).rejects.toMatchObject({
          code: 'AUDIT_STORE_UNAVAILABLE',
          message: expect.stringContaining('no answer within'),
        });
      } finally {
        await lock.query(name === 'mysql' ? 'UNLOCK TABLES' : 'ROLLBACK');
        await lock.release();
      }
      await eventually(async () => expect(await app.audit.checkpoint()).toMatchObject({ treeSize: 1 }));
    }, 30_000);
  }

  if (name !== 'sqlite') {
    it('breaks connections on which nothing answers any more', async () => {
      const proxied = await removable(database, true);
      const connection = await new DataSource(proxied.options).initialize();
      const app = await startLedgerApp(
        { ...database, options: undefined as never },
        { dataSource: connection, delivery: { statementTimeoutMs: 300 } },
      );
      // The application has some of them.
      const sleep = name === 'mysql' ? 'SELECT SLEEP(0.2)' : 'SELECT pg_sleep(0.2)';
      await Promise.all(Array.from({ length: 6 }, () => connection.query(sleep)));
      await record(app, 1);
      // To connect takes longer than a statement may.
      await eventually(() => app.audit.flush());
      expect(await app.audit.checkpoint()).toMatchObject({ treeSize: 1 });
      proxied.proxy!.silence();
      for (let times = 0; times < 4; times += 1) {
        await expect(app.audit.checkpoint()).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
      }
      // Only new connections get through: those from before never answer again.
      proxied.proxy!.answerNewOnes();
      await record(app, 1);
      await eventually(async () => expect(await app.audit.checkpoint()).toMatchObject({ treeSize: 2 }));
      // With those that still wait, as of the delivery.
      await proxied.release();
      await app.close();
      await connection.destroy();
    }, 40_000);
  }

  it('does not go on from a log that was changed, and harms nobody by that', async () => {
    const before = await start({}, database.journal, AS_A_TOOL);
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
});

describeEachDatabase('a log', (create, name) => {
  /** More than a tile. */
  const EVENTS = 300;
  let store: AuditStore;
  let app: LedgerApp;

  beforeAll(async () => {
    const database = await create();
    store = await openStore(database.options);
    app = await startLedgerApp(database, { ledger: { gapTimeoutMs: 0 } });
    await record(app, EVENTS);
    await app.audit.flush();
    await app.audit.checkpoint();
  });

  afterAll(async () => {
    await app.close();
    await store.close();
  });

  const problemsOf = async (source: string) =>
    (await app.audit.verify()).problems.filter((problem) => problem.source === source);

  it('takes events of transactions that commit, and no others', async () => {
    const { audit } = app;
    const { connection } = store;
    const { treeSize } = await audit.checkpoint();
    await connection.transaction((manager) => audit.record({ action: 'thing.update' }, { manager }));
    await connection
      .transaction(async (manager) => {
        await audit.record({ action: 'thing.delete' }, { manager });
        throw new Error('rolled back');
      })
      .catch(() => undefined);
    expect(await audit.checkpoint()).toMatchObject({ treeSize: treeSize + 1 });
    // One that was open for half an hour.
    await store.events.append([{ ...numbered('a', 1, { timestamp: Date.now() - 1_800_000 }), metadata: {} }]);
    expect(await audit.checkpoint()).toMatchObject({ treeSize: treeSize + 2 });
    expect(await audit.verify()).toMatchObject({ ok: true, events: treeSize + 2, pending: 0 });
  });

  it('is not searched again for numbers that came late and are all there', async () => {
    const sought: string[] = [];
    class WatchedSealing extends SealingRepository {
      override lateEvents(...asked: Parameters<SealingRepository['lateEvents']>) {
        sought.push(...asked[0].map(({ source }) => source));
        return super.lateEvents(...asked);
      }
    }
    const collector = collectorAlone(store, undefined, new WatchedSealing(store.database));
    const source = createEventId(Date.now());
    await store.events.append([1, 4].map((sequence) => numbered(source, sequence)));
    await writeNote(store, { source, kind: 'started', sequence: 0 });
    for (const late of [2, 3]) {
      const { treeSize } = await app.audit.checkpoint();
      const event = numbered(source, late);
      await store.events.append([event]);
      const { leaves } = await collector.next(10, treeSize, true);
      expect(leaves.map(({ eventId }) => eventId)).toEqual([event.id]);
    }
    const { treeSize } = await app.audit.checkpoint();
    const isSought = async () => {
      sought.length = 0;
      await collector.next(10, treeSize, true);
      return sought.includes(source);
    };
    expect(await isSought()).toBe(true);
    expect(await isSought()).toBe(false);
    // A round looks at everything.
    collector.begin();
    expect(await isSought()).toBe(true);
  });

  it('is on tables that refuse UPDATE and DELETE', async () => {
    const { treeSize } = await app.audit.checkpoint();
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
    expect(await app.audit.verify()).toMatchObject({ ok: true, events: treeSize });
  });

  it('does not take an event of a number that this process has not given away', async () => {
    const { treeSize } = await app.audit.checkpoint();
    const [{ metadata, ...event }] = (await record(app, 1)) as [AuditLogEvent];
    await app.audit.flush();
    const forged = {
      ...event,
      id: createEventId(Date.now()),
      metadata: { ...metadata, sequence: Number(metadata['sequence']) + 1 },
    };
    await store.events.append([forged]);
    expect(await app.audit.checkpoint()).toMatchObject({ treeSize: treeSize + 1 });
    // It stays, a problem of every test that follows.
    expect((await app.audit.verify()).problems).toMatchObject([
      { code: 'event_inserted', eventId: forged.id },
    ]);
  });

  it('misses the tail of a source that has ended', async () => {
    const source = createEventId(Date.now());
    await store.events.append([numbered(source, 1)]);
    await writeNote(store, { source, kind: 'abandoned', sequence: 3 });
    expect(await problemsOf(source)).toMatchObject([{ code: 'sequence_gap', sequence: 1 }]);
    await app.audit.checkpoint();
    expect(await problemsOf(source)).toMatchObject([{ code: 'sequence_gap', sequence: 2 }]);
  });
});
