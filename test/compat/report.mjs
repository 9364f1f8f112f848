// Tells how the run goes, step by step, and counts: a step that runs tests counts each of them, any other counts one.
const startedAt = Date.now();
let passed = 0;
let failed = 0;
const skipped = [];

/**
 * Does one step.
 *
 * @param work throws when the step fails; what it answers or throws as `output` is searched for tests
 * @returns whether the step passed
 */
export async function step(name, work) {
  console.log(`${seconds(startedAt)}  ${name}`);
  try {
    const tests = countTests(await work());
    passed += tests?.passed ?? 1;
    return true;
  } catch (error) {
    const output = error.output ?? '';
    const tests = countTests(output);
    passed += tests?.passed ?? 0;
    failed += tests?.failed || 1;
    console.log(`${output.slice(-20_000)}\n${seconds(startedAt)}  ${name} FAILED: ${error.message}`);
    return false;
  }
}

/** Says what did not run, here and at the end. */
export function skip(name, reason) {
  skipped.push(`SKIPPED ${name}: ${reason}`);
  console.log(`${seconds(startedAt)}  ${skipped.at(-1)}`);
}

/** Prints the closing line. The process's exit code follows it. */
export function conclude() {
  for (const line of skipped) console.log(line);
  console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

/** The closing lines of Jest and of Vitest. */
function countTests(output) {
  const line = /^ *Tests:? .*\d (?:passed|failed).*$/m.exec(output ?? '')?.[0];
  if (line === undefined) return undefined;
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
  return { passed: count('passed'), failed: count('failed') };
}

function seconds(since) {
  return `${Math.round((Date.now() - since) / 1000)} s`.padStart(6);
}
