// Breaks the library in one place after another, and says whether the tests notice: npm run test:mutations [-- a word of one].
// Each mutation is built and tested in a copy; the tests that are run are part of `npm test`. What survives fails the run.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const MUTATIONS = [
  {
    what: 'a lost await: events count as stored before the database has taken them',
    file: 'src/delivery/batch-store.ts',
    from: 'await this.send((signal) => this.sink.store(events, signal));',
    to: 'void this.send((signal) => this.sink.store(events, signal)).catch(() => undefined);',
    specs: ['test/databases/delivery.spec.ts'],
  },
  {
    what: 'a skipped fsync: the journal is not on the disk when it says so',
    file: 'src/journal/event-journal.ts',
    from: 'await Promise.all(segments.map((segment) => segment.sync()));',
    to: 'await Promise.all(segments);',
    specs: ['test/delivery', 'test/app/journal.spec.ts'],
  },
  {
    what: 'a forgotten tenant: reads show the events of all',
    file: 'src/store/filter-sql.ts',
    from: "if (filter.tenantId !== undefined) query.andWhere('e.tenant_id = :tenantId', { tenantId: filter.tenantId });",
    to: '',
    specs: ['test/databases/queries.spec.ts'],
  },
  {
    what: 'a bound that is off by one: the least risk score is not among those that are found',
    file: 'src/store/filter-sql.ts',
    from: "'e.risk_score >= :minRiskScore'",
    to: "'e.risk_score > :minRiskScore'",
    specs: ['test/databases/queries.spec.ts'],
  },
  {
    what: 'a swapped condition: a log with another root is sound, a sound one is not',
    file: 'src/trail/verification/log-verifier.ts',
    from: 'if (!root || root.equals(rootHash)) continue;',
    to: 'if (!root || !root.equals(rootHash)) continue;',
    specs: ['test/databases/tampering.spec.ts'],
  },
  {
    what: 'a forgotten hold: retention removes what is held',
    file: 'src/features/retention/removal.ts',
    from: 'const page = await this.repository.expired(which, holds.inForce, {',
    to: 'const page = await this.repository.expired(which, [], {',
    specs: ['test/databases/retention.spec.ts'],
  },
  {
    what: 'a rule that blocks nobody',
    file: 'src/nest/audit.guard.ts',
    from: 'if (blockedBy) block(blockedBy);',
    to: 'if (blockedBy === null) block(blockedBy);',
    specs: ['test/app/block.spec.ts'],
  },
  {
    what: 'a digest that is none: what is to be stored as an HMAC is stored in clear',
    file: 'src/recorder/redaction/redactor.ts',
    from: "if (mode === 'hmac') return pseudonymBy(this.key, value);",
    to: "if (mode === 'hmac') return pseudonymBy(this.key, '') && value;",
    specs: ['test/app/redaction.spec.ts'],
  },
  {
    what: 'a status that is a failure counts as a success',
    file: 'src/capture/request-event.ts',
    from: 'if (statusCode >= 400) return isUnrouted',
    to: 'if (statusCode > 400) return isUnrouted',
    specs: ['test/app/capture.spec.ts'],
  },
  {
    what: 'a source that does not say that it has ended',
    file: 'src/journal/event-journal.ts',
    from: "this.append('closed', 0, this.sequence, '{}');",
    to: '',
    specs: ['test/app/journal.spec.ts', 'test/databases/sources.spec.ts'],
  },
];

const wanted = process.argv[2];
const copy = mkdtempSync(join(tmpdir(), 'audit-mutations-'));
let survivors = 0;
try {
  for (const name of ['src', 'test', 'scripts', 'demo', 'docs'])
    cpSync(name, join(copy, name), { recursive: true });
  const settings = ['package.json', 'package-lock.json', 'vitest.config.mjs', 'ormconfig.ts', 'README.md'];
  for (const name of [
    ...settings,
    ...['', '.esm', '.cjs', '.ormconfig'].map((kind) => `tsconfig${kind}.json`),
  ])
    cpSync(name, join(copy, name));
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
  for (const mutation of MUTATIONS) {
    if (wanted && !mutation.what.includes(wanted)) continue;
    const isCaught = await tryOut(mutation);
    if (!isCaught) survivors += 1;
    process.stdout.write(`${isCaught ? 'caught  ' : 'SURVIVED'} ${mutation.what}\n`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.exitCode = survivors === 0 ? 0 : 1;

async function tryOut({ what, file, from, to, specs }) {
  const path = join(copy, file);
  const right = readFileSync(path, 'utf8');
  if (right.split(from).length !== 2) throw new Error(`${what}: ${file} does not have it once: ${from}`);
  writeFileSync(
    path,
    right.replace(from, () => to),
  );
  try {
    if (run('scripts/build.mjs').status !== 0) throw new Error(`${what}: it can't be built`);
    const { status, stdout } = run('node_modules/vitest/vitest.mjs', 'run', '--bail=1', ...specs);
    // A run that could not begin has caught nothing.
    const isCaught = status !== 0 && /[1-9]\d* failed/u.test(stdout);
    if (!isCaught) process.stdout.write(`${stdout.slice(-2_000)}\n`);
    return isCaught;
  } finally {
    writeFileSync(path, right);
  }
}

function run(...args) {
  return spawnSync(process.execPath, args, {
    cwd: copy,
    encoding: 'utf8',
    stdio: 'pipe',
  });
}
