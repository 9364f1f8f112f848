// The tests against what users run: the built package in dist. Tests of a room import it as ../../src/..., and get it from dist too.
import { resolve } from 'node:path';
import swc from 'unplugin-swc';
import { defineConfig } from 'vitest/config';

const built = (path) => ({ id: resolve('dist/esm', path), external: true });

const builtPackage = {
  name: 'built-package',
  enforce: 'pre',
  resolveId(id) {
    if (id === 'nest-audit-trail') return built('index.js');
    const door = /^nest-audit-trail\/(ledger|express|fastify|node|endpoints|testing)$/u.exec(id);
    if (door) return built(`${door[1]}/index.js`);
    if (id === 'nest-audit-trail/typeorm') return built('store/index.js');
    const feature = /^nest-audit-trail\/(.*)$/u.exec(id);
    if (feature) return built(`features/${feature[1]}/index.js`);
    const room = /^(?:\.\.\/)+src\/(.*)$/u.exec(id);
    return room ? built(room[1]) : undefined;
  },
};

const areFaults = process.env.AUDIT_TEST_FAULTS === '1';
/** The outages measure memory and times, each by itself. Most of the other faults wait: two at a time, on a server each. */
const faultProjects = [
  { name: 'alone', include: ['test/faults/*.outages.ts'], maxWorkers: 1, sequence: { groupOrder: 0 } },
  { name: 'beside', include: ['test/faults/*.faults.ts'], maxWorkers: 2, sequence: { groupOrder: 1 } },
].map((test) => ({ extends: true, test }));

export default defineConfig({
  plugins: [
    builtPackage,
    // Nest needs the metadata of decorators.
    swc.vite({
      jsc: {
        target: 'es2022',
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      },
      module: { type: 'es6' },
    }),
  ],
  test: {
    globals: true,
    ...(areFaults ? { projects: faultProjects } : { include: ['test/**/*.spec.ts'] }),
    exclude: ['test/compat/**'],
    pool: 'forks',
    // The modules of a process are loaded once, as in an application.
    isolate: false,
    // Tests wait for databases, threads and deadlines.
    maxWorkers: 4,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // What is registered first is undone first: a database goes after its applications.
    sequence: { hooks: 'list' },
    globalSetup: areFaults ? [] : ['test/support/harness/global-setup.mjs'],
    reporters: [
      'default',
      ...(areFaults ? ['test/faults/progress.reporter.mjs'] : []),
      'test/support/harness/summary.reporter.mjs',
    ],
    // What the tests' own processes run: not what other processes and the thread of delivery run.
    coverage: { provider: 'v8', include: ['dist/esm/**/*.js'], reporter: ['text-summary'] },
    server: { deps: { external: [/\/dist\//u] } },
  },
});
