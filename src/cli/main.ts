#!/usr/bin/env node
import { EXIT, warn } from './output.js';
import { run } from './program.js';

// Neither is a broken log: a reader that has gone, as in a pipe to head, and an error that nobody has foreseen.
process.stdout.on('error', () => process.exit(EXIT.unknown));
process.on('uncaughtException', (error) => {
  warn(process, String(error));
  process.exit(EXIT.unknown);
});

void run(process.argv.slice(2), process).then((code) => {
  process.exitCode = code;
});
