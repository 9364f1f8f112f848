// A private MariaDB (or MySQL) server.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { findFirst } from '../../support/harness/local-binary.mjs';
import { PrivateServer } from '../../support/harness/private-server.mjs';
import { eventually } from '../eventually.js';
import { APPLICATION, DatabaseServer } from './database-server.js';
import type { Row, ServerAddress, Session } from './database-server.js';
import { steadyPort } from '../steady-port.js';

const BALLAST_TIMES = 20;
const TRX_CACHE_MS = 150;

export class MariaDbServer extends DatabaseServer {
  readonly name = 'MariaDB';
  private server!: PrivateServer;
  private program!: string;

  protected readonly stopSignal = 'SIGTERM';
  protected readonly anyDatabase = undefined;
  protected readonly createUser = [
    `CREATE USER '${APPLICATION.username}'@'localhost' IDENTIFIED BY '${APPLICATION.password}'`,
    'CREATE DATABASE faults',
    // Modified by whoever provokes a deadlock: InnoDB rolls back the transaction that has modified less.
    'CREATE TABLE faults.ballast (n int)',
    'CREATE TABLE faults.gate (id int PRIMARY KEY) AS SELECT 1 AS id',
  ];

  protected readonly installGate = [
    `CREATE TRIGGER fault_gate AFTER INSERT ON audit_events FOR EACH ROW
       SET @fault_gate = (SELECT id FROM faults.gate WHERE id = 1 FOR UPDATE)`,
  ];
  protected readonly removeGate = ['SET SESSION lock_wait_timeout = 10', 'DROP TRIGGER IF EXISTS fault_gate'];

  readonly narrowTable = [
    `ALTER TABLE audit_events
       MODIFY resource_id varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
       MODIFY details text CHARACTER SET ascii NOT NULL,
       ADD CONSTRAINT nothing_forbidden CHECK (details NOT LIKE '%forbidden%')`,
  ];
  readonly widenTable = [
    `ALTER TABLE audit_events
       MODIFY resource_id varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
       MODIFY details text CHARACTER SET utf8mb4 NOT NULL,
       DROP CONSTRAINT nothing_forbidden`,
  ];
  readonly widensEncoding = true;

  protected async install(): Promise<void> {
    const program = findFirst('mariadbd', 'mysqld');
    const isMariaDb =
      program && execFileSync(program, ['--version'], { encoding: 'utf8' }).includes('MariaDB');
    const installer = isMariaDb ? findFirst('mariadb-install-db', 'mysql_install_db') : program;
    if (!program || !installer) {
      throw new Error('The fault suite starts a MariaDB of its own: install one (Debian: mariadb-server).');
    }
    this.program = program;
    this.server = new PrivateServer(['mysql', 'nobody']);
    await this.server.run(installer, [
      '--no-defaults',
      this.dataArgument,
      ...(isMariaDb
        ? ['--auth-root-authentication-method=normal', '--skip-test-db']
        : ['--initialize-insecure']),
    ]);
    const password = randomBytes(16).toString('hex');
    this.server.write('first.sql', `ALTER USER 'root'@'localhost' IDENTIFIED BY '${password}';\n`);
    this.address = { host: '127.0.0.1', port: await steadyPort(), username: 'root', password };
  }

  protected async launch(): Promise<void> {
    const options = [
      '--no-defaults',
      this.dataArgument,
      `--init-file=${join(this.server.folder, 'first.sql')}`,
      '--bind-address=127.0.0.1',
      `--port=${this.port}`,
      `--socket=${join(this.server.folder, 'server.sock')}`,
      `--pid-file=${this.pidFile}`,
      '--loose-mysqlx=OFF',
      '--max-connections=40',
      '--innodb-buffer-pool-size=64M',
      // What is committed is in the kernel's hands when the answer is sent: it survives the death of the server.
      '--innodb-flush-log-at-trx-commit=2',
    ];
    await this.server.start(this.program, options, 'SIGKILL', () => this.query(['SELECT 1']));
  }

  protected pid(): number {
    return Number(readFileSync(this.pidFile, 'latin1'));
  }

  protected async open({ username: user, ...address }: ServerAddress): Promise<Session> {
    const connection = await mysql.createConnection({ ...address, user, connectTimeout: 5_000 });
    // Reported by the query that it breaks; without a listener it would end the run.
    connection.on('error', () => undefined);
    return {
      query: async (statement) => (await connection.query(statement))[0] as Row[],
      end: () => connection.destroy(),
    };
  }

  protected isTooMany(error: Error): boolean {
    return (error as { errno?: number }).errno === 1040;
  }

  protected readOnlyStatements(on: boolean): readonly string[] {
    return [`SET GLOBAL read_only = ${on ? 1 : 0}`];
  }

  protected createDatabaseStatements(name: string): readonly string[] {
    return [`CREATE DATABASE ${name}`, `GRANT ALL ON ${name}.* TO '${APPLICATION.username}'@'localhost'`];
  }

  protected async provokeDeadlock(database: string): Promise<void> {
    const rival = await this.session(database);
    try {
      await rival.query('BEGIN');
      await rival.query('SELECT id FROM faults.gate WHERE id = 1 FOR UPDATE');
      // More than the largest batch modifies, its indexes and locks included.
      for (let times = 0; times < BALLAST_TIMES; times += 1) {
        await rival.query(`INSERT INTO faults.ballast SELECT seq FROM (
          WITH RECURSIVE numbers AS (SELECT 1 AS seq UNION ALL SELECT seq + 1 FROM numbers WHERE seq < 1000)
          SELECT seq FROM numbers) AS numbers`);
      }
      await eventually('An insert that waits for the gate', 30_000, async () => {
        // The server answers this from a copy, which it only renews when nobody has read it for 100 ms.
        await delay(TRX_CACHE_MS);
        const rows = await this.query([
          "SELECT trx_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
        ]);
        return rows.length > 0;
      });
      // The row that the insert has just written: now each waits for the other, and the lighter one is rolled back.
      await rival.query('SELECT id FROM audit_events ORDER BY id DESC LIMIT 1 FOR UPDATE');
      await rival.query('ROLLBACK');
    } finally {
      rival.end();
    }
  }

  private get dataArgument(): string {
    return `--datadir=${join(this.server.folder, 'data')}`;
  }

  private get pidFile(): string {
    return join(this.server.folder, 'server.pid');
  }
}
