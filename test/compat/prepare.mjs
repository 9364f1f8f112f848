// Downloads and compiles what the applications depend on, so that `run.mjs` finds it:
//
//   node test/compat/prepare.mjs <folder> [--all | <word of a cell's name> ...]
//
// Most of that waits for the network. It needs nothing that is installed, so that it can run beside `npm ci`.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseCells } from './cells.mjs';
import { stopAll } from './command.mjs';
import { prepare } from './install.mjs';
import { nodeOfVersion } from './node-version.mjs';
import { conclude, step } from './report.mjs';

const AT_A_TIME = 2;
const [folder, ...words] = process.argv.slice(2);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    stopAll();
    process.kill(process.pid, signal);
  });
}

await mkdir(folder, { recursive: true });
const waiting = chooseCells(words);
const prepareWaiting = async () => {
  for (let cell = waiting.shift(); cell; cell = waiting.shift()) {
    const { name, node } = cell;
    await step(`${name}: what it depends on`, async () =>
      prepare(join(folder, name), cell, await nodeOfVersion(node, folder), join(folder, 'addons')),
    );
  }
};
await Promise.all(Array.from({ length: AT_A_TIME }, prepareWaiting));
conclude();
