import { defineConfig } from 'vitest/config'

/** Workspaces are tested from their sources, as they run in development. */
const conditions = ['@agent-iam/source', 'module', 'node', 'development|production']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    reporters: ['default', './tools/plain-reporter.js'],
    include: [
      '*/{src,test,lint}/**/*.test.{ts,js}',
      'sdk/typescript/{src,test}/**/*.test.ts',
      'examples/*/{src,test}/**/*.test.ts',
      'test/{e2e,faults}/**/*.test.ts',
    ],
    exclude: ['**/node_modules/**', '**/dist/**'],
    // Processes, not threads: a database in a worker, or a trapped WASM instance, must not outlive its file.
    pool: 'forks',
    // The smallest machine that runs the tests has two cores, and each file may start a server of its own.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
