// How the tests reach a MySQL or MariaDB server, and start one.
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
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

  async query(server, statements) {
    const { username: user, ...address } = server;
    const connection = await mysql.createConnection({ ...address, user, connectTimeout: 5_000 });
    try {
      for (const statement of statements) await connection.query(statement);
    } finally {
      await connection.end();
    }
  },

  async startPrivate() {
    const program = findFirst('mariadbd', 'mysqld');
    if (!program) return undefined;
    const isMariaDb = execFileSync(program, ['--version'], { encoding: 'utf8' }).includes('MariaDB');
    const installer = isMariaDb ? findFirst('mariadb-install-db', 'mysql_install_db') : program;
    if (!installer) return undefined;

    const server = new PrivateServer({ accounts: ['mysql', 'nobody'], killSignal: 'SIGKILL' });
    const data = `--datadir=${join(server.folder, 'data')}`;
    const install = isMariaDb
      ? ['--auth-root-authentication-method=normal', '--skip-test-db']
      : ['--initialize-insecure'];
    await server.run(installer, ['--no-defaults', data, ...install]);

    // Other users of the machine can reach the port too.
    const password = randomBytes(16).toString('hex');
    const firstStatements = join(server.folder, 'first.sql');
    writeFileSync(firstStatements, `ALTER USER 'root'@'localhost' IDENTIFIED BY '${password}';\n`);
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
    ];
    const address = { host: '127.0.0.1', port, username: 'root', password };
    await server.start(program, options, () => mysqlServer.query(address, ['SELECT 1']));
    return address;
  },
};
