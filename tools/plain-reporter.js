/** Ends a test run with one line a person, or a script, can read: `29 passed, 0 failed, 0 skipped`. */
export default class PlainReporter {
  /** A file that could not be read to its end, or an error that no test caught, counts as a failure too. */
  onTestRunEnd(modules, unhandledErrors = []) {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      count.failed += module.errors().length
      for (const test of module.children.allTests()) count[test.result().state]++
    }
    console.log(`${count.passed} passed, ${count.failed + count.pending} failed, ${count.skipped} skipped`)
  }
}
