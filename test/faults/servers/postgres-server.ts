// A private PostgreSQL server.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { findTogether } from '../../support/harness/local-binary.mjs';
import { PrivateServer } from '../../support/harness/private-server.mjs';
import { eventually } from '../eventually.js';
import { APPLICATION, DatabaseServer } from './database-server.js';
import type { Row, ServerAddress, Session } from './database-server.js';
import { steadyPort } from '../steady-port.js';

export class PostgresServer extends DatabaseServer {
  readonly name = 'PostgreSQL';
  private server!: PrivateServer;
  private program!: string;

  /** Ends open connections and closes the data in order. */
  protected readonly stopSignal = 'SIGINT';
  protected readonly anyDatabase = 'postgres';
  protected readonly createUser = [`CREATE USER ${APPLICATION.username} PASSWORD '${APPLICATION.password}'`];

  protected readonly installGate = [
    `CREATE FUNCTION fault_gate() RETURNS trigger LANGUAGE plpgsql AS
       'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'`,
    'CREATE TRIGGER fault_gate AFTER INSERT ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION fault_gate()',
  ];
  protected readonly removeGate = ['DROP FUNCTION IF EXISTS fault_gate CASCADE'];

  readonly narrowTable = [
    // PostgreSQL changes no column that a view shows.
    'DROP VIEW audit_events_text',
    `ALTER TABLE audit_events
       ALTER resource_id TYPE varchar(40) USING left(resource_id, 40),
       ADD CONSTRAINT nothing_forbidden CHECK (details NOT LIKE '%forbidden%')`,
  ];
  readonly widenTable = [
    'ALTER TABLE audit_events ALTER resource_id TYPE varchar(255), DROP CONSTRAINT nothing_forbidden',
  ];
  /** The encoding is the database's. */
  readonly widensEncoding = false;

  protected async install(): Promise<void> {
    const programs = findTogether('initdb', 'postgres');
    if (!programs) {
      throw new Error('The fault suite starts a PostgreSQL of its own: install one (Debian: postgresql).');
    }
    const [initdb, postgres] = programs as [string, string];
    this.program = postgres;
    this.server = new PrivateServer(['postgres', 'nobody']);
    const password = randomBytes(16).toString('hex');
    const passwordFile = this.server.write('password', password);
    await this.server.run(
      initdb,
      [
        `--pgdata=${this.data}`,
        '--username=postgres',
        '--encoding=UTF8',
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        '--no-sync',
      ],
      { LC_ALL: 'C.UTF-8' },
    );
    const port = await steadyPort();
    this.address = { host: '127.0.0.1', port, username: 'postgres', password, database: 'postgres' };
  }

  protected async launch(): Promise<void> {
    const settings = {
      listen_addresses: '127.0.0.1',
      port: this.port,
      unix_socket_directories: '',
      max_connections: 40,
      // A deadlock is looked for at once: by default every one of them is a second of waiting.
      deadlock_timeout: '100ms',
      // The machine does not fail here, only the server: what the kernel has is not lost.
      fsync: 'off',
      full_page_writes: 'off',
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    await this.server.start(this.program, ['-D', this.data, ...options], 'SIGQUIT', () =>
      this.query(['SELECT 1']),
    );
  }

  protected pid(): number {
    return Number(readFileSync(join(this.data, 'postmaster.pid'), 'latin1').split('\n')[0]);
  }

  protected async open({ username: user, ...address }: ServerAddress): Promise<Session> {
    const client = new pg.Client({
      ...address,
      user,
      connectionTimeoutMillis: 5_000,
      // Also while the server is read-only for everybody else.
      options: '-c default_transaction_read_only=off',
    });
    // Reported by the query that it breaks; without a listener it would end the run.
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
    return {
      query: async (statement) => (await client.query<Row>(statement)).rows,
      end: () => void client.end().catch(() => undefined),
    };
  }

  protected isTooMany(error: Error): boolean {
    return (error as { code?: string }).code === '53300';
  }

  protected readOnlyStatements(on: boolean): readonly string[] {
    return [
      `ALTER SYSTEM SET default_transaction_read_only = ${on ? 'on' : 'off'}`,
      'SELECT pg_reload_conf()',
    ];
  }

  protected createDatabaseStatements(name: string, encoding?: 'latin1'): readonly string[] {
    const latin1 = encoding ? "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'" : '';
    return [`CREATE DATABASE ${name} OWNER ${APPLICATION.username} ${latin1}`];
  }

  protected async provokeDeadlock(database: string): Promise<void> {
    const rival = await this.session(database);
    try {
      await rival.query('BEGIN');
      // Whoever looks for deadlocks first is the victim.
      await rival.query("SET LOCAL deadlock_timeout = '60s'");
      await rival.query('SELECT pg_advisory_xact_lock(1)');
      await eventually('An insert that waits for the gate', 30_000, async () => {
        const rows = await this.query(
          ["SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"],
          database,
        );
        return rows.length > 0;
      });
      // The insert holds a weaker lock on the table: now each waits for the other.
      await rival.query('LOCK TABLE audit_events IN EXCLUSIVE MODE');
      await rival.query('ROLLBACK');
    } finally {
      rival.end();
    }
  }

  private get data(): string {
    return join(this.server.folder, 'data');
  }
}
