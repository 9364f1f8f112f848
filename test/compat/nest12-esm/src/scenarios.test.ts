import { test } from 'node:test';
import { scenarios } from './scenarios/all.js';

for (const { name, run } of scenarios) await test(name, { timeout: 30_000 }, run);
