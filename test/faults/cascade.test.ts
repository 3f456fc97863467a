import { expect, onTestFinished, test, vi } from 'vitest'
import { type Cascade, CascadeSeries } from './cascade.ts'

/** Each kill that counts may take several, and each of them a server's start. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 })

type Kill = readonly [killed: Cascade['killed'], during: Cascade['during'], outcome: Cascade['outcome']]

const cases: Array<[Cascade['database'], readonly Kill[]]> = [
  [
    'PGlite',
    [
      ['server', 'transaction', 'undone'],
      ['server', 'answer', 'complete'],
      ['server', 'tidying', 'complete'],
    ],
  ],
  [
    'PostgreSQL',
    [
      ['server', 'transaction', 'undone'],
      ['server and postmaster', 'transaction', 'undone'],
      ['server and postmaster', 'answer', 'complete'],
      ['server and postmaster', 'tidying', 'complete'],
    ],
  ],
]

test.each(cases)('on %s, kill −9 leaves a revocation complete or undone for all below', async (database, kills) => {
  const series = await CascadeSeries.open(database)
  onTestFinished(() => series.close())
  for (const [killed, during, outcome] of kills) {
    const cascade = await series.run(killed, during)
    expect(cascade).toMatchObject({ killed, during, outcome, faults: [] })
  }
})
