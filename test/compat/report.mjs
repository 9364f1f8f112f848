// Tells how the run goes, step by step, and counts: a step that runs tests counts each of them, any other counts one.
const startedAt = Date.now();
let passed = 0;
let failed = 0;

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

/** Prints the closing line. The process's exit code follows it. */
export function conclude() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

/** The closing lines of Jest and of Node's test runner. */
function countTests(output) {
  if (typeof output !== 'string') return undefined;
  const jest = /^Tests: .*total$/m.exec(output)?.[0];
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(jest)?.[1] ?? 0);
  if (jest) return { passed: count('passed'), failed: count('failed') };
  const [, pass] = /^\S+ pass (\d+)$/m.exec(output) ?? [];
  const [, fail] = /^\S+ fail (\d+)$/m.exec(output) ?? [];
  return pass === undefined ? undefined : { passed: Number(pass), failed: Number(fail) };
}

function seconds(since) {
  return `${Math.round((Date.now() - since) / 1000)} s`.padStart(6);
}
