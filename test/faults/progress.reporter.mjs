// A Jest reporter that tells of each test when it begins and when it ends: the suite takes minutes, and Jest's own
// reporter speaks only when a file has ended.
import { performance } from 'node:perf_hooks';

export default class ProgressReporter {
  onRunStart() {
    this.began = performance.now();
  }

  onTestCaseStart(_test, { ancestorTitles, title }) {
    this.say('begins', ancestorTitles, title);
  }

  onTestCaseResult(_test, { ancestorTitles, title, status, duration }) {
    const took = typeof duration === 'number' ? ` (${(duration / 1_000).toFixed(1)} s)` : '';
    if (status !== 'pending') this.say(status, ancestorTitles, `${title}${took}`);
  }

  say(what, titles, title) {
    const seconds = Math.round((performance.now() - this.began) / 1_000);
    process.stderr.write(
      `[${String(seconds).padStart(4)} s] ${what.padEnd(6)} ${[...titles, title].join(' › ')}\n`,
    );
  }
}
