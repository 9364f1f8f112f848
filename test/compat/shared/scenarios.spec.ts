import assert from 'node:assert/strict';
import { scenarios } from './scenarios/all.js';

test('the Node is the one that is meant', () =>
  assert.equal(process.versions.node, process.env['AUDIT_COMPAT_NODE']));

for (const { name, run } of scenarios) test(name, run);
