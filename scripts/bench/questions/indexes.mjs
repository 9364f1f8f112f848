// Measures what each index of audit_events costs an insert and gives a query, for docs/decisions/003-indexes.md:
// `npm run bench -- --only indexes [mysql|postgres|sqlite] [rows]`. Interleaved rounds, medians, ratios to the bare table.
// Needs the local servers that the tests use; creates databases of its own and drops them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { DataSource } from 'typeorm';

const [dialect = 'mysql', rowArgument = '200000'] = process.argv.slice(2);
const ROWS = Number(rowArgument);
const BATCH = 500;
const ROUNDS = 5;
const TENANTS = 20;
const PROCESSES = 4;

/** An index begins with the tenant and ends with the id, which sorts by time. */
const one = (name, ...columns) => [name, ['tenant_id', ...columns, 'id']];

/** The tenant's events in order, with the columns of few values behind: read through, those need no row. */
const broad = ['b', ['tenant_id', 'id', 'severity', 'category', 'outcome', 'risk_score']];
const sharp = [
  one('u', 'user_id'),
  one('a', 'action'),
  one('r', 'resource', 'resource_id'),
  one('n', 'session_id'),
  one('i', 'ip_address'),
];
const few = [one('s', 'severity'), one('c', 'category'), one('o', 'outcome'), one('k', 'risk_score')];

/** No filter's: the events of a process in the order of their numbers. */
const numbers = ['q', ['source', 'sequence']];

/** Sets of indexes, from none to one for every filter, and that of the numbers. */
const SETS = {
  none: [],
  'tenant alone': [one('t')],
  'tenant, user, action, thing': [one('t'), ...sharp.slice(0, 3)],
  'broad, and user, action, thing, session, address': [broad, ...sharp],
  'one for every filter': [one('t'), ...sharp, ...few],
  'one for every filter, and the numbers': [one('t'), ...sharp, ...few, numbers],
};

const COLUMNS = [
  'id',
  'timestamp',
  'tenant_id',
  'user_id',
  'action',
  'resource',
  'resource_id',
  'details',
  'ip_address',
  'user_agent',
  'session_id',
  'severity',
  'category',
  'outcome',
  'risk_score',
  'compliance_flags',
  'metadata',
  'source',
  'sequence',
];

const url = process.env[dialect === 'mysql' ? 'AUDIT_TEST_MYSQL_URL' : 'AUDIT_TEST_POSTGRES_URL'];
const folder = await mkdtemp(join(tmpdir(), 'audit-measure-'));
const name = `audit_measure_${process.pid}`;

function connectionTo(database) {
  if (dialect === 'sqlite') return { type: 'better-sqlite3', database: join(folder, `${database}.sqlite`) };
  // In the URL: TypeORM prefers it to the option.
  const server = new URL(
    url ?? (dialect === 'mysql' ? 'mysql://root@127.0.0.1:3306' : 'postgres://postgres@127.0.0.1:5432'),
  );
  server.pathname = `/${database ?? ''}`;
  return { type: dialect, url: server.href };
}

function row(index) {
  const actions = [
    'invoice.read',
    'invoice.list',
    'invoice.create',
    'invoice.approve',
    'user.login',
    'export.create',
  ];
  const time = (1_760_000_000_000 + index).toString(16).padStart(12, '0');
  const random = () => Math.random().toString(16).slice(2, 14).padEnd(12, '0');
  const action = actions[index % actions.length];
  return [
    `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${random()}`,
    1_760_000_000_000 + index,
    `tenant-${index % TENANTS}`,
    `user-${Math.floor(Math.random() * 500)}`,
    action,
    action.split('.')[0],
    String(Math.floor(Math.random() * 10_000)),
    '{"amount":120,"changes.status.after":"approved","changes.status.before":"open"}',
    `10.0.${index % 250}.${Math.floor(Math.random() * 250)}`,
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
    `session-${Math.floor(Math.random() * 5_000)}`,
    Math.random() < 0.0005 ? 'critical' : ['low', 'low', 'low', 'medium'][index % 4],
    ['data_access', 'data_modification', 'authentication'][index % 3],
    index % 20 === 0 ? 'failure' : 'success',
    index % 100,
    '[]',
    `{"durationMs":1.2,"handler":"InvoicesController.read","method":"GET","path":"/invoices/1","requestId":"${random()}","route":"/invoices/:id","statusCode":200}`,
    `01999999-0000-7000-8000-00000000000${index % PROCESSES}`,
    Math.floor(index / PROCESSES) + 1,
  ];
}

async function prepare(set, indexes) {
  const table = `events_${Object.keys(SETS).indexOf(set)}`;
  const c =
    dialect === 'postgres'
      ? ' COLLATE "C"'
      : dialect === 'mysql'
        ? ' CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'
        : '';
  const types = COLUMNS.map((column) => {
    if (column === 'sequence') return `${column} bigint`;
    if (column === 'timestamp') return `${column} bigint NOT NULL`;
    if (column === 'risk_score') return `${column} smallint NOT NULL`;
    if (['details', 'compliance_flags', 'metadata'].includes(column)) return `${column} text${c} NOT NULL`;
    return `${column} varchar(${column === 'user_agent' ? 512 : 128})${c}${column === 'id' ? ' PRIMARY KEY' : ''}`;
  });
  await source.query(`CREATE TABLE ${table} (${types.join(', ')})`);
  for (const [index, columns] of indexes)
    await source.query(`CREATE INDEX ${table}_${index} ON ${table} (${columns.join(', ')})`);
  return table;
}

async function insert(table, rows) {
  let parameter = 0;
  const values = rows.map(
    (one) => `(${one.map(() => (dialect === 'postgres' ? `$${++parameter}` : '?')).join(',')})`,
  );
  await source.query(`INSERT INTO ${table} (${COLUMNS.join(',')}) VALUES ${values.join(',')}`, rows.flat());
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

if (dialect !== 'sqlite') {
  const admin = await new DataSource(connectionTo(dialect === 'mysql' ? undefined : 'postgres')).initialize();
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.destroy();
}
const source = await new DataSource(connectionTo(name)).initialize();
try {
  const tables = new Map();
  const times = new Map(Object.keys(SETS).map((set) => [set, []]));
  for (const [set, indexes] of Object.entries(SETS)) tables.set(set, await prepare(set, indexes));
  const perRound = ROWS / ROUNDS;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const set of Object.keys(SETS)) {
      const rows = Array.from({ length: perRound }, (_, index) => row(round * perRound + index));
      const start = performance.now();
      for (let at = 0; at < rows.length; at += BATCH)
        await insert(tables.get(set), rows.slice(at, at + BATCH));
      times.get(set).push(performance.now() - start);
    }
    process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`);
  }
  console.log(`${dialect}, ${ROWS} rows in batches of ${BATCH}, medians of ${ROUNDS} interleaved rounds\n`);
  console.log('| indexes beside the primary key | time of an insert over that without |\n| --- | --- |');
  const bare = median(times.get('none'));
  for (const [set, rounds] of times) {
    console.log(`| ${set} | ${(median(rounds) / bare).toFixed(2)} |`);
  }
  const compared = Object.keys(SETS).slice(1);
  console.log(
    `\n| newest 50 of a tenant by, ms with | ${compared.join(' | ')} |\n| ---${' | ---'.repeat(compared.length)} |`,
  );
  const filters = {
    'nothing more': '1 = 1',
    'a user': "user_id = 'user-7'",
    'an action': "action = 'invoice.approve'",
    'a thing': "resource = 'invoice' AND resource_id = '77'",
    'a rare severity': "severity = 'critical'",
    'a session': "session_id = 'session-77'",
    'an address': "ip_address = '10.0.3.3'",
    'a category': "category = 'authentication'",
    'an outcome': "outcome = 'failure'",
    'a high risk': 'risk_score >= 99',
  };
  for (const table of tables.values())
    await source.query(`ANALYZE ${dialect === 'mysql' ? 'TABLE ' : ''}${table}`);
  for (const [title, condition] of Object.entries(filters)) {
    const cells = [];
    for (const set of compared) {
      const query = `SELECT * FROM ${tables.get(set)} WHERE tenant_id = 'tenant-3' AND ${condition} ORDER BY id DESC LIMIT 50`;
      const runs = [];
      for (let run = 0; run < 9; run += 1) {
        const start = performance.now();
        await source.query(query);
        runs.push(performance.now() - start);
      }
      cells.push(median(runs).toFixed(2));
    }
    console.log(`| ${title} | ${cells.join(' | ')} |`);
  }
} finally {
  await source.destroy();
  if (dialect !== 'sqlite') {
    const admin = await new DataSource(
      connectionTo(dialect === 'mysql' ? undefined : 'postgres'),
    ).initialize();
    await admin.query(`DROP DATABASE ${name}`);
    await admin.destroy();
  }
  await rm(folder, { recursive: true, force: true });
}
