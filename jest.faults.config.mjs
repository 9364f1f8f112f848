// The fault suite: one database server after another, since clients, applications and a server take two cores by themselves.
import base from './jest.config.mjs';

const {
  testPathIgnorePatterns,
  modulePathIgnorePatterns,
  extensionsToTreatAsEsm,
  moduleNameMapper,
  transform,
} = base;

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/faults/*.faults.ts'],
  ...{
    testPathIgnorePatterns,
    modulePathIgnorePatterns,
    extensionsToTreatAsEsm,
    moduleNameMapper,
    transform,
  },
  reporters: [
    'default',
    '<rootDir>/test/faults/progress.reporter.mjs',
    '<rootDir>/test/support/harness/skipped-databases.reporter.mjs',
  ],
  maxWorkers: 1,
};
