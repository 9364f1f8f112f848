/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.spec.ts', '<rootDir>/test/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/compat/'],
  modulePathIgnorePatterns: ['<rootDir>/test/compat/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    // What users run: the built package, and a room of it where a test is of that room.
    '^nest-audit-trail$': '<rootDir>/dist/esm/index.js',
    '^nest-audit-trail/ledger$': '<rootDir>/dist/esm/ledger/index.js',
    '^(?:\\.\\./)+src/(.*)\\.js$': '<rootDir>/dist/esm/$1.js',
    '^(\\.{1,2}/(?!.*dist/).*)\\.js$': ['$1.ts', '$1.js'],
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  globalSetup: '<rootDir>/test/support/harness/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/harness/global-teardown.mjs',
  reporters: ['default', '<rootDir>/test/support/harness/skipped-databases.reporter.mjs'],
  testTimeout: 30_000,
  maxWorkers: 2,
};
