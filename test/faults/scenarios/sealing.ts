// Many processes write to one database, and several want to seal it, while they are killed and paused: there is one log.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditModuleOptions, VerifyResult } from 'nest-audit-trail';
import { generateKeys } from '../../../src/ledger/keys.js';
import { atEndOfRun, hasEnded } from '../../support/harness/end-of-run.mjs';
import { readStored } from '../../support/stored-rows.js';
import type { Bench } from '../bench.js';
import { say } from '../progress.js';
import { Random } from '../random.js';
import { perTier } from '../tier.js';

const WRITERS = 8;
const SEALERS = 3;
const PER_SECOND = 20;
const FOR_MS = perTier(60_000, 20_000);
const FAULT_EVERY_MS = 700;
/** Longer than a lease is respected: another one takes it meanwhile. */
const LONG_PAUSE_MS = 12_000;
/** So often it befalls the one that seals, which chance alone may spare. */
const STRIKE_EVERY_MS = perTier(12_000, 8_000);
/** Where starting takes long, it takes so much longer until another one seals. */
const PATIENCE_MS = 24_000;

export function describeSealing(bench: Bench): void {
  bench.scenario(
    `seals into one log what many writers store, by several sealers, through ${FOR_MS / 1_000} s of kills and pauses`,
    FOR_MS + 240_000,
    async () => {
      const { folder, database } = await bench.emptyDatabase();
      const party = new Party(folder, bench.server.optionsOf(database));
      const holders: string[] = [];
      const lookAtLease = async () => {
        const [lease] = await bench.server.query(['SELECT holder FROM audit_leases'], database);
        const holder = String(lease?.['holder'] ?? '');
        if (holder !== '' && holder !== holders.at(-1)) holders.push(holder);
        // One that was killed and started again holds a new lease, and is the same sealer.
        return holders.length > 1 && party.published().filter((count) => count > 0).length > 1;
      };
      try {
        await befall(party, lookAtLease);
        const rows = await bench.server.query(
          [
            'SELECT id, (SELECT COUNT(*) FROM audit_leaves l WHERE l.event_id = e.id) AS leaves FROM audit_events e',
          ],
          database,
        );
        const stored = new Map(rows.map((row) => [String(readStored(row)['id']), Number(row['leaves'])]));
        const recorded = party.recorded();
        const published = party.published();
        say(
          `${bench.server.name}: ${stored.size} events, ${party.kills} kills, ${party.pauses} pauses, ${holders.length} leases, ${published.join(' and ')} checkpoints published`,
        );
        expect(party.kills).toBeGreaterThan(0);
        expect(party.pauses).toBeGreaterThan(0);
        // Another one has taken the lease, and more than one has sealed.
        expect(holders.length).toBeGreaterThan(1);
        expect(published.filter((count) => count > 0).length).toBeGreaterThan(1);
        expect(recorded.length).toBeGreaterThan(WRITERS);
        expect(recorded.filter((id) => !stored.has(id))).toEqual([]);
        expect([...stored].filter(([, leaves]) => leaves !== 1)).toEqual([]);
        const result = await party.audit();
        expect(result.problems).toEqual([]);
        expect(result).toMatchObject({ ok: true, pending: 0, events: stored.size, treeSize: stored.size });
      } finally {
        await party.end();
      }
    },
  );
}

/**
 * For the time set, kills or pauses one of them now and then; then ends the writers, and lets the sealers do the rest, since
 * nobody else does.
 */
async function befall(party: Party, look: () => Promise<boolean>): Promise<void> {
  const members = [
    ...Array.from({ length: WRITERS }, (_, index) => `writer-${index}`),
    ...Array.from({ length: SEALERS }, (_, index) => `sealer-${index}`),
  ];
  // The first makes the tables.
  await party.start(members[0]!);
  await Promise.all(members.slice(1).map((name) => party.start(name)));
  const until = performance.now() + FOR_MS;
  const paused: Promise<void>[] = [];
  const random = new Random('sealing');
  const oneOf = (names: readonly string[]) => names[random.integer(0, names.length - 1)]!;
  let strikes = 0;
  let strikeAt = performance.now() + STRIKE_EVERY_MS / 3;
  let isPassedOn = false;
  while (performance.now() < until || (!isPassedOn && performance.now() < until + PATIENCE_MS)) {
    await delay(FAULT_EVERY_MS);
    isPassedOn = await look();
    const sealing = performance.now() < strikeAt ? undefined : party.sealing();
    // Sealers are few, and what happens to them matters most.
    const name = sealing ?? oneOf(random.integer(0, 1) === 0 ? members : members.slice(WRITERS));
    if (party.isPaused(name)) continue;
    if (sealing !== undefined) {
      strikes += 1;
      strikeAt = performance.now() + STRIKE_EVERY_MS;
    }
    if (sealing === undefined ? random.integer(0, 1) === 0 : strikes % 2 === 1) {
      await party.kill(name);
      await party.start(name);
    } else {
      const isLong = sealing !== undefined || random.integer(1, 5) === 1;
      paused.push(party.pause(name, isLong ? LONG_PAUSE_MS : random.integer(1, 2_000)));
    }
  }
  await Promise.all(paused);
  await Promise.all(members.slice(0, WRITERS).map((name) => party.stop(name)));
  expect(await party.audit()).toMatchObject({ ok: true, pending: 0, problems: [] });
  await Promise.all(members.slice(WRITERS).map((name) => party.stop(name)));
}

class Party {
  kills = 0;
  pauses = 0;
  private readonly keys = generateKeys('audit.example');
  private readonly members = new Map<string, ChildProcess>();
  private readonly paused = new Set<string>();

  constructor(
    private readonly folder: string,
    private readonly database: AuditModuleOptions['database'],
  ) {}

  async start(name: string): Promise<void> {
    const child = this.spawn(name, name.startsWith('writer') ? 'writer' : 'sealer');
    this.members.set(name, child);
    let isReady = false;
    for await (const line of createInterface(child.stdout!)) {
      isReady = line === 'ready';
      if (isReady) break;
    }
    if (!isReady) throw new Error(`${name} ended before it was ready: ${await exited(child)}.`);
    child.stdout!.resume();
  }

  isPaused(name: string): boolean {
    return this.paused.has(name);
  }

  async kill(name: string): Promise<void> {
    this.kills += 1;
    const child = this.members.get(name)!;
    child.kill('SIGKILL');
    await exited(child);
  }

  async pause(name: string, forMs: number): Promise<void> {
    this.pauses += 1;
    const child = this.members.get(name)!;
    this.paused.add(name);
    child.kill('SIGSTOP');
    await delay(forMs);
    child.kill('SIGCONT');
    this.paused.delete(name);
  }

  async stop(name: string): Promise<void> {
    const child = this.members.get(name)!;
    child.kill('SIGTERM');
    expect(await exited(child)).toBe(0);
  }

  /** What all writers were told is recorded. */
  recorded(): string[] {
    return Array.from({ length: WRITERS }, (_, index) =>
      readFileSync(this.fileOf(`writer-${index}`), 'utf8')
        .split('\n')
        .filter((id) => id.length === 36),
    ).flat();
  }

  /** Whoever has published the largest checkpoint. */
  sealing(): string | undefined {
    const sizes = this.publishedTo.map((file) => {
      const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
      return Math.max(0, ...lines.map((line) => Number(/"treeSize":(\d+)/.exec(line)?.[1] ?? 0)));
    });
    const largest = Math.max(...sizes);
    return largest > 0 ? `sealer-${sizes.indexOf(largest)}` : undefined;
  }

  /** How many checkpoints each sealer has published. */
  published(): number[] {
    return this.publishedTo.map((file) =>
      existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).length : 0,
    );
  }

  /** What is found once all is sealed, or where that takes too long. */
  async audit(): Promise<VerifyResult> {
    const child = this.spawn('auditor', 'auditor');
    this.members.set('auditor', child);
    let last = '';
    for await (const line of createInterface(child.stdout!)) if (line.startsWith('{')) last = line;
    expect(await exited(child)).toBe(0);
    return JSON.parse(last) as VerifyResult;
  }

  async end(): Promise<void> {
    for (const child of this.members.values()) {
      child.kill('SIGKILL');
      await exited(child);
    }
  }

  private spawn(name: string, role: 'writer' | 'sealer' | 'auditor'): ChildProcess {
    const audit: AuditModuleOptions = {
      ...(this.database && { database: this.database }),
      delivery: { directory: join(this.folder, name), flushIntervalMs: 100, drainOnSignals: false },
      ledger: {
        seal: role === 'sealer',
        intervalMs: 100,
        ...(role === 'sealer' && {
          signingKey: this.keys.signerKey,
          publish: { file: this.publishedBy(name) },
        }),
        ...(role === 'auditor' && { verifierKeys: [this.keys.verifierKey], origin: 'audit.example' }),
      },
    };
    const argument = {
      role,
      audit,
      recorded: this.fileOf(name),
      perSecond: PER_SECOND,
      published: this.publishedTo,
    };
    const child = spawn(process.execPath, [resolve('build/faults/party.js'), JSON.stringify(argument)], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    atEndOfRun({ processGroup: child.pid!, signal: 'SIGKILL' });
    child.once('exit', () => hasEnded(child.pid!));
    return child;
  }

  private get publishedTo(): string[] {
    return Array.from({ length: SEALERS }, (_, index) => this.publishedBy(`sealer-${index}`));
  }

  private publishedBy(name: string): string {
    return join(this.folder, `${name}.jsonl`);
  }

  private fileOf(name: string): string {
    return join(this.folder, `${name}.ids`);
  }
}

async function exited(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.signalCode ?? child.exitCode;
}
