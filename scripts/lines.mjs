// Counts the lines of the sources by room: `npm run lines`, or `npm run lines -- <commit>` to compare with an earlier commit.
// The core is everything but the features, the command line, and the doors other than Nest's.
import { execFileSync } from 'node:child_process';

const BESIDE_CORE = ['features', 'cli', 'express', 'fastify', 'node', 'endpoints', 'testing'];

const git = (...args) => execFileSync('git', args, { encoding: 'utf8', maxBuffer: 1 << 28 });

/** Lines by room, of the sources as they are there. */
function linesAt(commit) {
  const rooms = new Map();
  const files = git('ls-tree', '-r', '--name-only', commit, 'src').split('\n');
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    const [, first, second, third] = file.split('/');
    const room =
      second === undefined
        ? '(above all rooms)'
        : third === undefined || first !== 'features'
          ? first
          : `${first}/${second}`;
    const lines = git('show', `${commit}:${file}`).split('\n').length - 1;
    rooms.set(room, (rooms.get(room) ?? 0) + lines);
  }
  return rooms;
}

const commits = [...process.argv.slice(2), 'HEAD'];
const counts = commits.map(linesAt);
const rooms = [...new Set(counts.flatMap((count) => [...count.keys()]))].sort();
const sum = (count, names) => names.reduce((total, name) => total + (count.get(name) ?? 0), 0);
const isCore = (room) => !BESIDE_CORE.includes(room.split('/')[0]);
const table = [
  ...rooms.map((room) => [room, ...counts.map((count) => count.get(room) ?? 0)]),
  ['the core', ...counts.map((count) => sum(count, rooms.filter(isCore)))],
  [
    'beside it',
    ...counts.map((count) =>
      sum(
        count,
        rooms.filter((room) => !isCore(room)),
      ),
    ),
  ],
  ['all', ...counts.map((count) => sum(count, rooms))],
];
console.log(`| room | ${commits.join(' | ')} |\n| --- |${' ---: |'.repeat(commits.length)}`);
for (const [room, ...lines] of table)
  console.log(`| ${room} | ${lines.map((n) => n.toLocaleString('en-US')).join(' | ')} |`);
