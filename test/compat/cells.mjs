// What is proved together: a version of Node, an application, and versions of what it is built on.

/**
 * A version is the beginning of one: `11` is the newest 11, and `11.1.4` is that one alone.
 *
 * `isEnd` are the oldest and the newest of everything: these run unless more is asked for.
 */
const table = [
  // TypeORM 0.3.20 asks for better-sqlite3 9 at most.
  {
    application: 'nest11-cjs',
    node: '20.19',
    nest: '11.1.4',
    typeorm: '0.3.20',
    sqlite: '9',
    mysql2: '3.9',
    isEnd: true,
  },
  { application: 'nest11-cjs', node: '22', nest: '11', typeorm: '0.3', sqlite: '12', mysql2: '3' },
  { application: 'nest11-cjs', node: '24', nest: '11', typeorm: '1', sqlite: '12', mysql2: '3' },
  { application: 'nest12-esm', node: '24', nest: '12', typeorm: '1', sqlite: '12', mysql2: '3' },
  { application: 'nest12-esm', node: '26', nest: '12', typeorm: '1', sqlite: '12', mysql2: '3', isEnd: true },
];

const nestCells = table.map(({ application, node, nest, typeorm, sqlite, mysql2, isEnd = false }) => ({
  name: `node${node}-nest${nest}-typeorm${typeorm}-${application.split('-')[1]}`,
  application,
  node,
  isEnd,
  /** What the application depends on beside what its package.json has. */
  packages: {
    '@nestjs/common': nest,
    '@nestjs/core': nest,
    '@nestjs/platform-express': nest,
    '@nestjs/platform-fastify': nest,
    '@nestjs/testing': nest,
    '@nestjs/typeorm': nest.split('.')[0],
    'better-sqlite3': sqlite,
    mysql2,
    typeorm,
  },
}));

/** Without Nest: the doors of other platforms, on embedded SQLite. */
const plainCell = {
  name: 'node24-plain-express5-fastify5-esm',
  application: 'plain-esm',
  node: '24',
  isEnd: true,
  isPlain: true,
  packages: { express: '5', fastify: '5', 'better-sqlite3': '12', typeorm: '1' },
};

/** A whole application, with and without the audit, on its PostgreSQL. */
const boilerplateCell = {
  name: 'node24-nest11-typeorm0.3-boilerplate',
  application: 'nest11-boilerplate',
  node: '24',
  isEnd: true,
  isPlain: true,
  onPostgres: true,
  packages: {
    '@nestjs/common': '11',
    '@nestjs/core': '11',
    '@nestjs/platform-express': '11',
    '@nestjs/testing': '11',
    '@nestjs/typeorm': '11',
    '@types/pg': '8',
    pg: '8',
    typeorm: '0.3',
  },
};

export const cells = [...nestCells, plainCell, boilerplateCell];

/**
 * The cells that the command line asks for: the ends, `--all`, or those whose names contain one of the words.
 *
 * @throws Error where there is no such cell
 */
export function chooseCells(words) {
  if (words.length === 0) return cells.filter(({ isEnd }) => isEnd);
  if (words.includes('--all')) return cells;
  const chosen = cells.filter(({ name }) => words.some((word) => name.includes(word)));
  if (chosen.length > 0) return chosen;
  throw new Error(`no cell is named so; there are ${cells.map(({ name }) => name).join(', ')}`);
}

export function isVersion(version, beginning) {
  return `${version}.`.startsWith(`${beginning}.`);
}
