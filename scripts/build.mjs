// Builds dist/esm and dist/cjs from the same sources, and build/ormconfig.js for TypeORM's command line.
import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';

await Promise.all(['dist', 'build'].map((folder) => rm(folder, { recursive: true, force: true })));

/** Runs the TypeScript compiler on one project. */
function compile(project) {
  return new Promise((resolve, reject) => {
    const args = ['node_modules/typescript/bin/tsc', '-p', project];
    spawn(process.execPath, args, { stdio: 'inherit' }).on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`tsc -p ${project} failed`)),
    );
  });
}

try {
  await Promise.all([compile('tsconfig.esm.json'), compile('tsconfig.cjs.json')]);
  await mkdir('dist/cjs', { recursive: true });
  await writeFile('dist/cjs/package.json', '{ "type": "commonjs" }\n');
  // Where the thread's module is, only a compiled module of either kind can say.
  await writeFile(
    'dist/esm/thread/thread-file.js',
    "export const threadFile = new URL('./database.worker.js', import.meta.url);\n",
  );
  await writeFile(
    'dist/cjs/thread/thread-file.js',
    "'use strict';\nexports.threadFile = require('node:path').join(__dirname, 'database.worker.js');\n",
  );
  // Last: it imports the package by its own name, whose types are what was just built.
  await compile('tsconfig.ormconfig.json');
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
