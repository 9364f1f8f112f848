import assert from 'node:assert/strict';

/**
 * Asserts that two values are the same data. Under Jest, the lists that a native driver makes are of another realm
 * than the test's, which `deepEqual` would hold against them.
 */
export function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(structuredClone(actual), structuredClone(expected));
}
