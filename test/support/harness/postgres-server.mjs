// How the tests reach a PostgreSQL server, and start one.
import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { findTogether } from './local-binary.mjs';
import { PrivateServer, freePort } from './private-server.mjs';

// A database without a UTF-8 locale knows neither the letters' case nor all of the characters.
const LOCALE = process.platform === 'darwin' ? 'en_US.UTF-8' : 'C.UTF-8';

/** @type {import('./find-server.mjs').ServerKind} */
export const postgresServer = {
  label: 'PostgreSQL',
  variable: 'AUDIT_TEST_POSTGRES_URL',
  defaultPort: 5432,
  socketParameter: 'host',
  packages: 'postgresql',
  local() {
    const { username } = userInfo();
    const database = 'postgres';
    return [
      { host: '127.0.0.1', port: 5432, username: 'postgres', database },
      { host: '127.0.0.1', port: 5432, username, database },
      { host: '/run/postgresql', port: 5432, username, database },
    ];
  },

  check: `DO $$ BEGIN
    IF NOT (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user) THEN
      RAISE EXCEPTION 'the user % may not create databases', current_user;
    END IF;
  END $$`,
  listDatabases: 'SELECT datname AS name FROM pg_database',
  dropDatabase: (name) => [`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`],

  async query(server, statements) {
    const { username: user, ...address } = server;
    const client = new pg.Client({ ...address, user, connectionTimeoutMillis: 5_000 });
    // A connection that breaks is reported by the query; without a listener the event ends the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      let rows = [];
      for (const statement of statements) ({ rows } = await client.query(statement));
      return rows;
    } finally {
      await client.end();
    }
  },

  async startPrivate() {
    const programs = findTogether('initdb', 'postgres');
    if (!programs) return undefined;
    const [initdb, postgres] = programs;

    const server = new PrivateServer(['postgres', 'nobody']);
    const data = join(server.folder, 'data');
    // Other users of the machine can reach the port too.
    const password = randomBytes(16).toString('hex');
    const passwordFile = server.write('password', password);
    await server.run(
      initdb,
      [
        '-D',
        data,
        '-U',
        'postgres',
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        '-E',
        'UTF8',
        '--no-sync',
      ],
      { LC_ALL: LOCALE },
    );

    const port = await freePort();
    const settings = {
      listen_addresses: '127.0.0.1',
      port,
      unix_socket_directories: '',
      fsync: 'off',
      full_page_writes: 'off',
      // It would visit hundreds of databases that are soon dropped.
      autovacuum: 'off',
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const address = { host: '127.0.0.1', port, username: 'postgres', password, database: 'postgres' };
    await server.start(postgres, ['-D', data, ...options], 'SIGQUIT', () =>
      postgresServer.query(address, ['SELECT 1']),
    );
    return address;
  },
};
