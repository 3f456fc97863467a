import { defineConfig } from 'vitest/config'

/** Workspaces are tested from their sources, as they run in development. */
const conditions = ['@agent-iam/source', 'module', 'node', 'development|production']

const nothing = ['**/node_modules/**', '**/dist/**']
const measured = 'server/test/attacks/*.test.ts'

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    reporters: ['default', './tools/plain-reporter.js'],
    // Processes, not threads: a database in a worker, or a trapped WASM instance, must not outlive its file.
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'tests',
          include: [
            '*/{src,test,lint}/**/*.test.{ts,js}',
            'sdk/typescript/{src,test}/**/*.test.ts',
            'examples/*/{src,test}/**/*.test.ts',
            'test/{e2e,faults}/**/*.test.ts',
          ],
          exclude: [...nothing, measured],
          // The smallest machine that runs the tests has two cores, and each file may start a server of its own.
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        // What is measured runs after all else, and alone: beside another file it would measure that.
        // Noise of the machine lies above a bound now and then, an attack that succeeds does each time: so it runs again.
        test: {
          name: 'measured',
          include: [measured],
          exclude: nothing,
          maxWorkers: 1,
          retry: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
