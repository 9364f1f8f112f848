// A Jest reporter that says which databases were not tested and why, and ends with one line that counts the tests.
let report = '';

// Jest's own summary comes after all other reporters, and the count is to be the last line.
process.once('exit', () => process.stdout.write(report));

export default class SkippedDatabasesReporter {
  onRunComplete(_contexts, results) {
    const tests = results.testResults.flatMap((file) => file.testResults);
    const { mysql, postgres } = JSON.parse(process.env.AUDIT_TEST_RESOLVED ?? '{}');
    const missing = [mysql, postgres].map((found) => found?.missing).filter(Boolean);
    const lines = missing.map((reason) => {
      // As `describeEachDatabase` writes it into the title.
      const skipped = tests.filter((test) => test.ancestorTitles.some((title) => title.includes(reason)));
      return `Skipped tests: ${skipped.length}, since there is ${reason}`;
    });

    // A file that can't be loaded has no tests to count, and must not look like success.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    lines.push(`${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped`);
    report = `${lines.join('\n')}\n`;
  }
}
