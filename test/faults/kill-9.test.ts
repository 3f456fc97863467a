import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type Killed, KillSeries, type Run } from './kill-9.ts'

/** A server's start is most of a test, and other tests start theirs meanwhile. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const cases: Array<[Run['database'], Killed[]]> = [
  ['PGlite', ['server', 'server']],
  ['PostgreSQL', ['server', 'server and postmaster']],
]

test.each(cases)('on %s, whatever was acknowledged before kill −9 is in the log after it', async (database, kills) => {
  const series = await KillSeries.open(database)
  onTestFinished(() => series.close())
  for (const killed of kills) {
    const run = await series.run(killed)
    expect(run).toMatchObject({ killed, faults: [] })
    expect(run.acknowledged).toBeGreaterThan(0)
    expect(run.unanswered).toBeGreaterThan(0)
  }
})

test('a server that answers before the commit is caught by the same run', async () => {
  const series = await KillSeries.open('PGlite', fileURLToPath(new URL('careless-server.ts', import.meta.url)))
  onTestFinished(() => series.close())
  const { faults } = await series.run('server')
  expect(faults).toContainEqual(expect.stringMatching(/^dec_\w+ was acknowledged and is lost$/))
})
