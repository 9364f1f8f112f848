// The database servers that the bench measures with: those that the tests use.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { atEndOfRun } from '../../test/support/harness/end-of-run.mjs';
import { findServer } from '../../test/support/harness/find-server.mjs';
import { mysqlServer } from '../../test/support/harness/mysql-server.mjs';
import { postgresServer } from '../../test/support/harness/postgres-server.mjs';

const KINDS = {
  mysql: {
    server: mysqlServer,
    create: (name) => `CREATE DATABASE ${name}`,
    describe: `SELECT concat(version(), ', innodb_flush_log_at_trx_commit = ', @@innodb_flush_log_at_trx_commit) AS text`,
  },
  postgres: {
    server: postgresServer,
    create: (name) => `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`,
    describe: `SELECT 'PostgreSQL ' || current_setting('server_version') || ', synchronous_commit = ' ||
      current_setting('synchronous_commit') || ', fsync = ' || current_setting('fsync') AS text`,
  },
};

/** A server, and databases of its own on it, which are gone when the run has ended. */
export class BenchServer {
  /** @param {'mysql' | 'postgres'} kind */
  static async find(kind) {
    const { server, describe } = KINDS[kind];
    const found = await findServer(server);
    if ('missing' in found) throw new Error(`Nothing to measure with: ${found.missing}`);
    const [{ text }] = await server.query(found.server, [describe]);
    const prefix = `audit_bench_${randomBytes(4).toString('hex')}_`;
    if (!found.isPrivate) atEndOfRun({ kind, server: found.server, prefix });
    return new BenchServer(kind, found.server, prefix, text);
  }

  constructor(kind, address, prefix, text) {
    Object.assign(this, { kind, address, prefix, text });
    this.made = 0;
  }

  /** @returns TypeORM's options of a new database */
  async create() {
    const { server, create } = KINDS[this.kind];
    const database = `${this.prefix}${(this.made += 1)}`;
    await server.query(this.address, [create(database)]);
    return { ...this.address, database, type: this.kind };
  }

  query(database, statements) {
    const { type: _type, ...address } = database;
    return KINDS[this.kind].server.query(address, statements);
  }

  /** MySQL on Linux, where it runs here: what the server has run until now, in microseconds; `undefined` elsewhere. */
  async cpuMicros() {
    if (this.kind !== 'mysql') return undefined;
    try {
      this.pid ??= await this.#findPid();
      const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8');
      // What is before the last bracket is the program's name; the 12th and 13th field after it are hundredths of a second.
      const [user, system] = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .slice(11, 13)
        .map(Number);
      return (user + system) * 10_000;
    } catch {
      return undefined;
    }
  }

  async #findPid() {
    const [{ file }] = await this.query(this.address, ['SELECT @@pid_file AS file']);
    return Number(readFileSync(file, 'utf8'));
  }
}
