// One application with its database, its journal, its clients: what a scenario breaks, and what is compared at the end.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditModuleOptions } from 'nest-audit-trail';
import type { KillPoint } from './app/kill-at-point.js';
import { eventually } from './eventually.js';
import { FaultProxy } from './fault-proxy.js';
import { FaultedProcess } from './faulted-process.js';
import type { Door, End, Launch } from './faulted-process.js';
import { HandlerRuns } from './handler-runs.js';
import { plainFolder } from './journal-disk.js';
import type { JournalDisk } from './journal-disk.js';
import { gapsIn } from './gaps.js';
import { expectLedger, expectNothing } from './ledger.js';
import type { Account, Mode, StoredEvent } from './ledger.js';
import { Load } from './load.js';
import type { Mix } from './load.js';
import type { DatabaseServer } from './servers/database-server.js';
import { steadyPort } from './steady-port.js';
import { readStored } from '../support/stored-rows.js';

export type Delivery = NonNullable<AuditModuleOptions['delivery']>;

/** What an application may have that others have not. */
export interface Special {
  readonly disk?: JournalDisk;
  readonly encoding?: 'latin1';
  readonly door?: Door;
}

const DELIVERY_DEADLINE_MS = 60_000;

export class Application {
  readonly loads: Load[] = [];
  /** The one that runs, or ran last. */
  process!: FaultedProcess;
  private readonly processes: FaultedProcess[] = [];

  private constructor(
    readonly server: DatabaseServer,
    readonly mode: Mode,
    readonly database: string,
    readonly disk: JournalDisk,
    private readonly runs: HandlerRuns,
    private readonly port: number,
    private readonly databasePort: number,
    private readonly delivery: Delivery,
    readonly door: Door,
    readonly proxy: FaultProxy,
  ) {}

  /**
   * A fresh database and an empty journal; the application itself is not started yet.
   *
   * @param folder of this application alone
   */
  static async create(
    server: DatabaseServer,
    mode: Mode,
    folder: string,
    name: string,
    delivery: Delivery,
    { disk, encoding, door = 'nestExpress' }: Special,
  ): Promise<Application> {
    mkdirSync(folder, { recursive: true });
    await server.createDatabase(name, encoding);
    const proxy = new FaultProxy(() => server.port);
    return new Application(
      server,
      mode,
      name,
      disk ?? plainFolder(join(folder, 'journal')),
      new HandlerRuns(join(folder, 'runs')),
      await steadyPort(),
      await proxy.open(),
      delivery,
      door,
      proxy,
    );
  }

  /** Starts it, or starts it again, and returns once it listens. */
  async start(more: Pick<Launch, 'hooks'> = {}): Promise<FaultedProcess> {
    this.process = this.keep(new FaultedProcess(this.launch(more)));
    await this.process.started();
    return this.process;
  }

  /** Starts it, without waiting; it is to die at the point. */
  startToDie(killAt: KillPoint): FaultedProcess {
    this.process = this.keep(new FaultedProcess(this.launch({ killAt })));
    return this.process;
  }

  /** Another process of the same directory, on a port of its own. */
  async startSecond(): Promise<FaultedProcess> {
    return this.keep(new FaultedProcess({ ...this.launch({}), port: await steadyPort() }));
  }

  /** Ends it by the signal, and answers how and after how many milliseconds it ended. */
  async end(signal: NodeJS.Signals): Promise<{ by: End; afterMs: number }> {
    const end = await this.process.end(signal);
    await this.runs.settled();
    return end;
  }

  /** Clients of this application, to be started. */
  clients(perSecond: number, mix?: Mix): Load {
    const load = new Load(`${this.database}-${this.loads.length}`, this.port, perSecond, mix);
    this.loads.push(load);
    return load;
  }

  /** When the handler of each id ran, in any of its processes; complete after {@link end} and {@link delivered}. */
  get ran(): ReadonlyMap<string, number> {
    return this.runs.at;
  }

  /** Everything in the audit's table, read past the application. */
  async stored(): Promise<StoredEvent[]> {
    const rows = await this.server.query(
      ['SELECT id, action, resource_id, outcome, details, metadata FROM audit_events'],
      this.database,
    );
    return rows.map(readStored).map((row) => ({
      id: String(row['id']),
      action: String(row['action']),
      resourceId: row['resource_id'] === null ? undefined : String(row['resource_id']),
      outcome: String(row['outcome']),
      details: JSON.parse(String(row['details'])) as Record<string, unknown>,
      metadata: JSON.parse(String(row['metadata'])) as Record<string, unknown>,
    }));
  }

  /** How many events of requests there are, and of how many things; a cheap look while a scenario goes on. */
  async countStored(): Promise<{ events: number; things: number }> {
    const [row] = await this.server.query(
      [
        `SELECT count(*) AS events, count(DISTINCT resource_id) AS things FROM audit_events
           WHERE action NOT LIKE 'audit.%' AND resource_id IS NOT NULL`,
      ],
      this.database,
    );
    return { events: Number(row?.['events']), things: Number(row?.['things']) };
  }

  /** Returns when the database has everything that the application took. */
  async delivered(withinMs = DELIVERY_DEADLINE_MS): Promise<void> {
    await eventually('The delivery of all events', withinMs, async () => {
      await this.process.flush();
      const { pending } = await this.process.status();
      if (pending === 0) return true;
      throw new Error(`${pending} events are pending`);
    });
    await this.runs.settled();
  }

  /**
   * Has everything delivered, and compares. Also no number may be missing, and the log must be sound.
   *
   * @param account what the ledger is to know beside the requests of the clients
   */
  async reconcile(account: Partial<Account> = {}): Promise<void> {
    await this.delivered();
    expectLedger(this.account(account), await this.stored());
    expectNothing('Numbers are missing', gapsIn(await this.process.sources()));
    const { problems, pending } = await this.process.verify();
    expectNothing(
      'The log is not sound',
      problems.map(({ message }) => message),
    );
    expect(pending).toBe(0);
  }

  /** The same; then it ends in order. */
  async settle(account: Partial<Account> = {}): Promise<void> {
    await this.reconcile(account);
    const { by } = await this.end('SIGTERM');
    if (by === 'SIGTERM') return;
    throw new Error(`The application ended by ${by} instead of SIGTERM:\n${this.process.lastWords()}`);
  }

  account(more: Partial<Account> = {}): Account {
    return { mode: this.mode, requests: this.loads.flatMap((load) => load.requests), ran: this.ran, ...more };
  }

  /** What went wrong in any of its processes without a trace in an answer. */
  get complaints(): readonly string[] {
    return this.processes.flatMap((each) => each.complaints);
  }

  /** What its processes wrote. */
  get output(): string {
    return this.processes.flatMap((each) => each.output).join('\n');
  }

  /** Ends its processes. */
  async kill(): Promise<void> {
    for (const each of this.processes) if (!each.hasEnded) await each.end('SIGKILL');
  }

  /** Ends whatever is left of it. */
  async release(): Promise<void> {
    await this.kill();
    await Promise.all(this.loads.map((load) => load.stop()));
    await this.proxy.refuse();
    this.runs.close();
    await this.disk.release();
  }

  private launch(more: Pick<Launch, 'hooks' | 'killAt'>): Launch {
    return {
      audit: {
        database: this.server.optionsOf(this.database, this.databasePort),
        delivery: {
          mode: this.mode,
          ...(this.mode !== 'buffered' && { directory: this.disk.directory }),
          ...this.delivery,
        },
      } as AuditModuleOptions,
      port: this.port,
      runs: this.runs.path,
      door: this.door,
      prefix: this.disk.prefix,
      ...more,
    };
  }

  private keep(started: FaultedProcess): FaultedProcess {
    this.processes.push(started);
    return started;
  }
}
