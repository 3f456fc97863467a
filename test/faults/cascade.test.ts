import { expect, onTestFinished, test, vi } from 'vitest'
import { type Cascade, CascadeSeries } from './cascade.ts'

/** Each kill that counts may take several, and each of them a server's start. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 })

const cases: Array<[Cascade['database'], Array<Pick<Cascade, 'killed' | 'during'>>]> = [
  [
    'PGlite',
    [
      { killed: 'server', during: 'revocation' },
      { killed: 'server', during: 'tidying' },
    ],
  ],
  [
    'PostgreSQL',
    [
      { killed: 'server', during: 'revocation' },
      { killed: 'server and postmaster', during: 'revocation' },
      { killed: 'server and postmaster', during: 'tidying' },
    ],
  ],
]

test.each(cases)('on %s, kill −9 leaves a revocation complete or undone for all below', async (database, kills) => {
  const series = await CascadeSeries.open(database)
  onTestFinished(() => series.close())
  for (const { killed, during } of kills) {
    const cascade = await series.run(killed, during)
    console.log(cascade)
    expect(cascade.faults).toEqual([])
  }
})
