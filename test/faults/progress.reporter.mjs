// Tells of each test when it begins and when it ends: the suite takes minutes.
import { performance } from 'node:perf_hooks';

const began = performance.now();

export default class ProgressReporter {
  onTestCaseReady(test) {
    if (test.options.mode === 'run') say('begins', test.fullName);
  }

  onTestCaseResult(test) {
    const { state } = test.result();
    if (state === 'skipped') return;
    say(state, `${test.fullName} (${((test.diagnostic()?.duration ?? 0) / 1_000).toFixed(1)} s)`);
  }
}

function say(what, name) {
  const seconds = Math.round((performance.now() - began) / 1_000);
  process.stderr.write(`[${String(seconds).padStart(4)} s] ${what.padEnd(6)} ${name}\n`);
}
