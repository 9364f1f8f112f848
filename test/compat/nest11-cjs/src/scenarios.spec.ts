import { scenarios } from './scenarios/all.js';

for (const { name, run } of scenarios) test(name, run);
