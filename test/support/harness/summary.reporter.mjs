// Says at the end how many tests ran where, what was skipped and why, and which files took longest. The last line counts.
const SERVERS = /on (SQLite|MySQL\/MariaDB|PostgreSQL)/u;
const SLOWEST = 10;

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const where = new Map();
    const skipped = new Map();
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      const before = counts.failed;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state] += 1;
        if (state === 'skipped') add(skipped, /skipped: (.*)$/u.exec(test.fullName)?.[1] ?? test.fullName);
        else add(where, placeOf(module, test));
      }
      // A file that can't be loaded, or whose hooks fail, must not look like success.
      if (module.state() === 'failed' && counts.failed === before) counts.failed += 1;
    }
    const lines = ['', 'Tests by where they ran:'];
    for (const [place, count] of [...where].sort()) lines.push(`  ${String(count).padStart(5)} ${place}`);
    for (const [reason, count] of skipped) lines.push(`Skipped ${count}: ${reason}`);
    lines.push('The slowest files:');
    const byTime = modules.map((module) => [module.diagnostic().duration, module.relativeModuleId]);
    for (const [ms, file] of byTime.sort(([a], [b]) => b - a).slice(0, SLOWEST))
      lines.push(`  ${(ms / 1_000).toFixed(1).padStart(6)} s ${file}`);
    const failed = counts.failed + counts.pending + unhandledErrors.length;
    lines.push(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
    // After all that other reporters say.
    process.once('exit', () => process.stdout.write(`${lines.join('\n')}\n`));
  }
}

/** The folder of the spec, and the database that its title names. */
function placeOf(module, test) {
  const folder = module.relativeModuleId.split('/').slice(1, -1)[0];
  const server = SERVERS.exec(test.fullName)?.[1];
  return server ? `${folder}, on ${server}` : folder;
}

function add(counts, name) {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
