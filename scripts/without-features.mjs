// Deletes each folder of src/features in turn, and shows that the rest compiles and works: `npm run test:features`. What uses the
// feature goes with it: its tests and the demo. `-- --full` also compiles and runs all tests that are left, not only one request;
// `-- risk` looks at this feature alone. Works on a copy, and leaves nothing behind.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** They list features, each by its name in `[…]`, and lose the one that goes. */
const LISTS = [
  'ormconfig.ts',
  'src/cli/features.ts',
  'test/support/audit-store.ts',
  'test/support/harness/template-databases.mjs',
];
/** They describe the whole repository, each feature by its name: its rooms, its docs, its bench, what its tests notice. */
const ABOUT_ALL = ['architecture', 'bench', 'docs', 'mutations', 'options-page'].map(
  (name) => `test/process/${name}.spec.ts`,
);
const IMPORTS = /(?:\bfrom |\bimport |\bimport\()'([^']+)'/gu;
const given = process.argv.slice(2);
const isFull = given.includes('--full');
const named = given.filter((word) => !word.startsWith('-'));
const root = process.cwd();
const copy = mkdtempSync(join(tmpdir(), 'audit-without-'));

try {
  const features = readdirSync('src/features').filter((name) => named.length === 0 || named.includes(name));
  if (features.length === 0) throw new Error(`There is no feature ${named.join(', ')}.`);
  copyProject();
  process.chdir(copy);
  const files = sourcesOf(['src', 'test', 'demo']).filter((file) => !file.startsWith('test/compat/'));
  await check(files);
  for (const feature of features) await tryWithout(feature, files);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  process.chdir(root);
  rmSync(copy, { recursive: true, force: true });
}

/** All that is not ignored, and what was built and installed. */
function copyProject() {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  });
  for (const file of listed.split('\n').filter(Boolean)) {
    mkdirSync(join(copy, dirname(file)), { recursive: true });
    cpSync(file, join(copy, file));
  }
  for (const folder of ['dist', 'build']) cpSync(folder, join(copy, folder), { recursive: true });
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
}

function sourcesOf(folders) {
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name)),
  );
}

async function tryWithout(feature, files) {
  const users = usersOf(feature, files);
  const gone = [
    ...users,
    ...['src', 'dist/esm', 'dist/cjs'].map((folder) => `${folder}/features/${feature}`),
  ];
  const kept = mkdtempSync(join(tmpdir(), 'audit-feature-'));
  const places = gone.map((path, index) => [path, join(kept, String(index))]);
  for (const [path, place] of places) renameSync(path, place);
  const listed = LISTS.map((file) => [file, readFileSync(file, 'utf8')]);
  for (const [file, text] of listed) writeFileSync(file, withoutName(text, feature));
  const left = files.filter((file) => !users.includes(file) && !file.startsWith(`src/features/${feature}/`));
  // Not by the script of the tests, which builds.
  const specs = left.filter((file) => file.endsWith('.spec.ts') && !ABOUT_ALL.includes(file));
  const [program, ...args] = isFull
    ? ['node_modules/vitest/vitest.mjs', 'run', ...specs]
    : ['scripts/smoke.mjs'];
  // One reads the sources, the other what was built of them.
  const [passed] = await Promise.all([succeeds(program, ...args), check(left)]);
  for (const [path, place] of places) renameSync(place, path);
  for (const [file, text] of listed) writeFileSync(file, text);
  rmSync(kept, { recursive: true });
  if (!passed) throw new Error(`Without the feature ${feature}, it fails.`);
  const tests = users.filter((file) => file.endsWith('.spec.ts'));
  console.log(
    `Without ${feature} and ${tests.length} files of tests that use it, the rest compiles and ${isFull ? 'passes' : 'records a request'}.`,
  );
}

/** A list of features without one of them, and without its import. */
function withoutName(text, feature) {
  const own = new RegExp(`^import [^;]*/${feature}(?:/[^;]*)?';\n`, 'm');
  return text.replace(own, '').replace(/ = \[([\w, ]+)\];/g, (_, names) => {
    const left = names.split(', ').filter((name) => name !== feature);
    return ` = [${left.join(', ')}];`;
  });
}

/** The files of tests and demo that import the feature, or another file that does. */
function usersOf(feature, files) {
  const imports = new Map(
    files
      .filter((file) => !file.startsWith('src/') && !LISTS.includes(file))
      .map((file) => [file, [...readFileSync(file, 'utf8').matchAll(IMPORTS)].map(([, name]) => name)]),
  );
  const isOf = (name) => name === `nest-audit-trail/${feature}` || name.includes(`src/features/${feature}/`);
  const users = new Set([...imports].filter(([, names]) => names.some(isOf)).map(([file]) => file));
  for (let size = 0; size < users.size;) {
    size = users.size;
    for (const [file, names] of imports) {
      const own = names
        .filter((name) => name.startsWith('.'))
        .map((name) => join(dirname(file), name).replace(/\.js$/, '.ts'));
      if (own.some((name) => users.has(name))) users.add(file);
    }
  }
  return [...users];
}

/** Type-checks the sources among these files, and the tests where all of them run. @throws Error where something is wrong */
async function check(files) {
  const roots = [...files.filter((file) => isFull || file.startsWith('src/')), 'ormconfig.ts'];
  // What is checked once is not checked again where nothing of it has changed.
  const compilerOptions = { incremental: true, tsBuildInfoFile: 'build/without-features.tsbuildinfo' };
  const project = { extends: './tsconfig.json', compilerOptions, files: roots, include: [] };
  writeFileSync('tsconfig.without.json', JSON.stringify(project));
  const compiles = await succeeds('node_modules/typescript/bin/tsc', '-p', 'tsconfig.without.json');
  if (!compiles) throw new Error('It does not compile.');
}

async function succeeds(program, ...args) {
  const [code] = await once(spawn(process.execPath, [program, ...args], { stdio: 'inherit' }), 'close');
  return code === 0;
}
