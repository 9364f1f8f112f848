// A database server of the suite's own, with everything that can befall one.
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditDatabaseOptions } from 'nest-audit-trail';
import { atEndOfRun, hasEnded } from '../../support/harness/end-of-run.mjs';
import { eventually } from '../eventually.js';
import { isRunning, processTree, signal } from './processes.js';

/** Whom the application connects as: may do everything in its database, and nothing else. */
export const APPLICATION = { username: 'application', password: 'application' } as const;

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly database?: string;
}

export type Row = Record<string, unknown>;

/** An administrator's connection that stays open. */
export interface Session {
  query(statement: string): Promise<Row[]>;
  /** Ends it at once; an open transaction is rolled back. */
  end(): void;
}

/**
 * Started once for a file of tests. Each fault has its end beside it; {@link heal} ends all of them, so that a failed
 * test leaves the next one a server that works.
 */
export abstract class DatabaseServer {
  abstract readonly name: 'MariaDB' | 'PostgreSQL';
  protected address!: ServerAddress;
  private readonly stopped = new Set<number>();
  private readonly held = new Set<Session>();
  private readOnly = false;
  private running = false;

  /** Makes its folder, starts it and creates the application's user. */
  async create(): Promise<void> {
    await this.install();
    await this.start();
    await this.query(this.createUser);
  }

  get port(): number {
    return this.address.port;
  }

  /** Starts it, on the data that is there, and returns once it takes connections. */
  async start(): Promise<void> {
    await this.launch();
    this.running = true;
  }

  /** Ends every process of it, without any chance to put something in order. */
  async kill(): Promise<void> {
    const root = this.pid();
    // The root first, or it would restart what is killed.
    signal(root, 'SIGSTOP');
    const tree = processTree(root);
    for (const pid of tree) signal(pid, 'SIGKILL');
    await this.gone(tree);
  }

  /** Ends it as an administrator does. */
  async stop(): Promise<void> {
    const tree = processTree(this.pid());
    signal(this.pid(), this.stopSignal);
    await this.gone(tree);
  }

  /** Stops every process of it: connections stay open, and new ones are taken by the kernel, but nothing answers. */
  pause(): void {
    const root = this.pid();
    signal(root, 'SIGSTOP');
    for (const pid of processTree(root)) {
      // A stopped process hears nothing but SIGKILL, should the run end here. PostgreSQL's are groups of their own.
      atEndOfRun({ processGroup: pid, signal: 'SIGKILL' });
      this.stopped.add(pid);
      signal(pid, 'SIGSTOP');
    }
  }

  resume(): void {
    const root = this.running ? this.pid() : undefined;
    for (const pid of this.stopped) {
      signal(pid, 'SIGCONT');
      if (pid !== root) hasEnded(pid);
    }
    this.stopped.clear();
  }

  /** Takes every connection that is left for users such as the application. */
  async exhaustConnections(): Promise<void> {
    // More than once, since the server takes its time to notice which connections have ended.
    for (let refusals = 0; refusals < 3;) {
      const session = await this.open({ ...this.address, ...APPLICATION, database: this.anyDatabase }).catch(
        (error: unknown) => error as Error,
      );
      if (!(session instanceof Error)) this.held.add(session);
      else if (!this.isTooMany(session)) throw session;
      else {
        refusals += 1;
        await delay(100);
      }
    }
  }

  releaseConnections(): void {
    for (const session of this.held) session.end();
    this.held.clear();
  }

  async setReadOnly(on: boolean): Promise<void> {
    this.readOnly = on;
    for (const statement of this.readOnlyStatements(on)) await this.query([statement]);
  }

  /** Undoes every fault. */
  async heal(): Promise<void> {
    this.resume();
    this.releaseConnections();
    if (!this.running) await this.start();
    if (this.readOnly) await this.setReadOnly(false);
  }

  /** A fresh, empty database, in which the application may do everything. It goes with the server's folder. */
  async createDatabase(name: string, encoding?: 'latin1'): Promise<void> {
    await this.query(this.createDatabaseStatements(name, encoding));
  }

  /**
   * Makes the audit's table refuse things whose id is longer than 40, what is `forbidden`, and letters that are not in
   * Latin-1, with a database of that encoding.
   */
  abstract readonly narrowTable: readonly string[];
  /** Undoes that, as far as the database lets it. */
  abstract readonly widenTable: readonly string[];
  /** Whether {@link widenTable} also lets all letters in. */
  abstract readonly widensEncoding: boolean;

  /** What the application is given to connect with, through `port` where that is a proxy's. */
  optionsOf(database: string, port = this.port): AuditDatabaseOptions {
    const type = this.name === 'MariaDB' ? 'mariadb' : 'postgres';
    return { type, host: '127.0.0.1', port, ...APPLICATION, database };
  }

  /** Runs the statements on one connection of the administrator's; the rows of the last one. */
  async query(statements: readonly string[], database?: string): Promise<Row[]> {
    const session = await this.session(database);
    try {
      let rows: Row[] = [];
      for (const statement of statements) rows = await session.query(statement);
      return rows;
    } finally {
      session.end();
    }
  }

  session(database?: string): Promise<Session> {
    return this.open(database === undefined ? this.address : { ...this.address, database });
  }

  /**
   * Makes the database choose an insert into the audit's table as the victim of a deadlock, `times` times, while
   * events come in.
   *
   * @throws Error where no insert came within some seconds
   */
  async provokeDeadlocks(database: string, times: number): Promise<void> {
    await this.query(this.installGate, database);
    try {
      for (let round = 0; round < times; round += 1) {
        await this.provokeDeadlock(database);
        // Between them the delivery has a chance to do its work.
        await delay(100);
      }
    } finally {
      await this.query(this.removeGate, database);
    }
  }

  protected abstract readonly stopSignal: NodeJS.Signals;
  protected abstract readonly createUser: readonly string[];
  /** One that any user can connect to. */
  protected abstract readonly anyDatabase: string | undefined;
  /** A trigger that makes every insert into the audit's table ask for the gate's lock, with a row of its own locked. */
  protected abstract readonly installGate: readonly string[];
  protected abstract readonly removeGate: readonly string[];
  protected abstract install(): Promise<void>;
  protected abstract launch(): Promise<void>;
  /** Of the process that all others of the server descend from. */
  protected abstract pid(): number;
  protected abstract open(address: ServerAddress): Promise<Session>;
  protected abstract isTooMany(error: Error): boolean;
  protected abstract readOnlyStatements(on: boolean): readonly string[];
  protected abstract createDatabaseStatements(name: string, encoding?: 'latin1'): readonly string[];
  protected abstract provokeDeadlock(database: string): Promise<void>;

  private async gone(tree: readonly number[]): Promise<void> {
    await eventually(`The end of ${this.name}`, 30_000, () => !tree.some(isRunning));
    this.running = false;
  }
}
