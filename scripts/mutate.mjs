// Breaks the library in one place after another, and says whether the tests notice: npm run test:mutations [-- a word of one].
// Each mutation is built and tested in a copy; the tests that are run are part of `npm test`. What survives fails the run.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { MUTATIONS } from './mutations.mjs';

const wanted = process.argv[2];
const copy = mkdtempSync(join(tmpdir(), 'audit-mutations-'));
let survivors = 0;
try {
  for (const name of ['src', 'test', 'scripts', 'demo', 'docs'])
    cpSync(name, join(copy, name), { recursive: true });
  const settings = ['package.json', 'package-lock.json', 'vitest.config.mjs', 'ormconfig.ts', 'README.md'];
  for (const name of [
    ...settings,
    ...['', '.esm', '.cjs', '.ormconfig'].map((kind) => `tsconfig${kind}.json`),
  ])
    cpSync(name, join(copy, name));
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
  for (const mutation of MUTATIONS) {
    if (wanted && !mutation.what.includes(wanted)) continue;
    const isCaught = await tryOut(mutation);
    if (!isCaught) survivors += 1;
    process.stdout.write(`${isCaught ? 'caught  ' : 'SURVIVED'} ${mutation.what}\n`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.exitCode = survivors === 0 ? 0 : 1;

async function tryOut({ what, file, from, to, specs }) {
  const path = join(copy, file);
  const right = readFileSync(path, 'utf8');
  if (right.split(from).length !== 2) throw new Error(`${what}: ${file} does not have it once: ${from}`);
  writeFileSync(
    path,
    right.replace(from, () => to),
  );
  try {
    if (run('scripts/build.mjs').status !== 0) throw new Error(`${what}: it can't be built`);
    const { status, stdout } = run('node_modules/vitest/vitest.mjs', 'run', '--bail=1', ...specs);
    // A run that could not begin has caught nothing.
    const isCaught = status !== 0 && /[1-9]\d* failed/u.test(stdout);
    if (!isCaught) process.stdout.write(`${stdout.slice(-2_000)}\n`);
    return isCaught;
  } finally {
    writeFileSync(path, right);
  }
}

function run(...args) {
  return spawnSync(process.execPath, args, {
    cwd: copy,
    encoding: 'utf8',
    stdio: 'pipe',
  });
}
