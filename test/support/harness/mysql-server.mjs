// How the tests reach a MySQL or MariaDB server, and start one.
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { findFirst } from './local-binary.mjs';
import { PrivateServer, freePort } from './private-server.mjs';

/** @type {import('./find-server.mjs').ServerKind} */
export const mysqlServer = {
  label: 'MySQL/MariaDB',
  variable: 'AUDIT_TEST_MYSQL_URL',
  defaultPort: 3306,
  socketParameter: 'socketPath',
  packages: 'mariadb-server',
  local: () => [
    { host: '127.0.0.1', port: 3306, username: 'root' },
    { socketPath: '/run/mysqld/mysqld.sock', username: 'root' },
  ],

  // Permissions come first: without them it fails although there is no such database.
  check: 'DROP DATABASE IF EXISTS audit_test_none',
  listDatabases: 'SELECT schema_name AS name FROM information_schema.schemata',
  // An open transaction of a test that hangs would make the drop wait for a day.
  dropDatabase: (name) => ['SET SESSION lock_wait_timeout = 5', `DROP DATABASE IF EXISTS ${name}`],

  async query(server, statements) {
    const { username: user, ...address } = server;
    const connection = await mysql.createConnection({ ...address, user, connectTimeout: 5_000 });
    try {
      let rows = [];
      for (const statement of statements) [rows] = await connection.query(statement);
      return rows;
    } finally {
      await connection.end();
    }
  },

  /** @param {string[]} more options of the server */
  async startPrivate(more = []) {
    const program = findFirst('mariadbd', 'mysqld');
    if (!program) return undefined;
    const isMariaDb = execFileSync(program, ['--version'], { encoding: 'utf8' }).includes('MariaDB');
    const installer = isMariaDb ? findFirst('mariadb-install-db', 'mysql_install_db') : program;
    if (!installer) return undefined;

    const server = new PrivateServer(['mysql', 'nobody']);
    const data = `--datadir=${join(server.folder, 'data')}`;
    const install = isMariaDb
      ? ['--auth-root-authentication-method=normal', '--skip-test-db']
      : ['--initialize-insecure'];
    await server.run(installer, ['--no-defaults', data, ...install]);

    // Other users of the machine can reach the port too.
    const password = randomBytes(16).toString('hex');
    const firstStatements = server.write(
      'first.sql',
      `ALTER USER 'root'@'localhost' IDENTIFIED BY '${password}';\n`,
    );
    const port = await freePort();
    const options = [
      '--no-defaults',
      data,
      `--init-file=${firstStatements}`,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      `--socket=${join(server.folder, 'server.sock')}`,
      `--pid-file=${join(server.folder, 'server.pid')}`,
      '--loose-mysqlx=OFF',
      '--innodb-flush-log-at-trx-commit=0',
      // Thousands of tables are made and dropped, each without a file of its own.
      '--innodb-file-per-table=OFF',
      ...more,
    ];
    const address = { host: '127.0.0.1', port, username: 'root', password };
    await server.start(program, options, 'SIGKILL', () => mysqlServer.query(address, ['SELECT 1']));
    return address;
  },
};
