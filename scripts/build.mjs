// Builds dist/esm and dist/cjs from the same sources, build/ormconfig.js for TypeORM's command line, and the test
// applications that run as processes of their own. What was built from the same inputs before, and is still there
// unchanged, is not built again: build/stamp.json says what it was.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const STAMP = 'build/stamp.json';
const SETTINGS = [
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.esm.json',
  'tsconfig.cjs.json',
  'scripts/build.mjs',
];
/** What is built, each from its inputs and from what stands before it. */
const TARGETS = {
  package: { inputs: [...SETTINGS, 'src'], outputs: ['dist'], build: buildPackage },
  ormconfig: {
    inputs: ['tsconfig.ormconfig.json', 'ormconfig.ts'],
    outputs: ['build/ormconfig.js'],
    build: () => compile('tsconfig.ormconfig.json'),
  },
  process: {
    inputs: ['test/process/app'],
    outputs: ['build/process'],
    build: () => compile('test/process/app/tsconfig.json'),
  },
  faults: {
    inputs: ['test/faults/app', 'test/faults/tsconfig.json'],
    outputs: ['build/faults'],
    build: () => compile('test/faults/tsconfig.json'),
  },
};

async function buildPackage() {
  // The same sources: one check of their types is enough.
  await Promise.all([compile('tsconfig.esm.json'), compile('tsconfig.cjs.json', '--noCheck')]);
  await mkdir('dist/cjs', { recursive: true });
  await writeFile('dist/cjs/package.json', '{ "type": "commonjs" }\n');
  // Where the thread's module is, only a compiled module of either kind can say. It is the CommonJS one for both: a thread that loads TypeORM by
  // `require` starts in three quarters of the time.
  await writeFile(
    'dist/esm/delivery/thread/thread-file.js',
    "export const threadFile = new URL('../../../cjs/delivery/thread/database.worker.js', import.meta.url);\n",
  );
  await writeFile(
    'dist/cjs/delivery/thread/thread-file.js',
    "'use strict';\nexports.threadFile = require('node:path').join(__dirname, 'database.worker.js');\n",
  );
}

/** Runs the TypeScript compiler on one project. */
function compile(project, ...more) {
  return new Promise((resolve, reject) => {
    const args = ['node_modules/typescript/bin/tsc', '-p', project, ...more];
    spawn(process.execPath, args, { stdio: 'inherit' }).on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`tsc -p ${project} failed`)),
    );
  });
}

/** One digest of all files at or below the paths: their names and their bytes. */
function digestOf(paths) {
  const hash = createHash('sha256');
  const add = (path, isFolder) => {
    if (!isFolder) return hash.update(`${path}\0`).update(readFileSync(path)).update('\0');
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1)))
      add(join(path, entry.name), entry.isDirectory());
  };
  for (const path of paths) {
    if (existsSync(path)) add(path, !/\.[a-z]+$/u.test(path));
    else hash.update(`no ${path}\0`);
  }
  return hash.digest('hex');
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(STAMP, 'utf8'));
  } catch {
    return {};
  }
}

try {
  const stamp = readStamp();
  let base = '';
  for (const [name, { inputs, outputs, build }] of Object.entries(TARGETS)) {
    const input = base + digestOf(inputs);
    // The package itself is what the others are built against.
    if (base === '') base = input;
    if (stamp[name]?.input === input && stamp[name].output === digestOf(outputs)) continue;
    await Promise.all(outputs.map((path) => rm(path, { recursive: true, force: true })));
    await build();
    stamp[name] = { input, output: digestOf(outputs) };
    await mkdir('build', { recursive: true });
    await writeFile(STAMP, JSON.stringify(stamp));
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
