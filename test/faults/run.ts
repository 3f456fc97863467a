// `npm run faults -- --runs N`: kills N servers under load, half on PGlite and half on PostgreSQL, and says what was lost.
// With `--cascades N`, so many kills within revocations of trees as well, on each database; with `--decisions N`, so many
// decisions about trees that are revoked at another server.
import { parseArgs } from 'node:util'
import { type Cascade, CascadeSeries } from './cascade.ts'
import { type Killed, KillSeries, type Run } from './kill-9.ts'
import { StalenessSeries, tellLastUse } from './staleness.ts'

const asked = { type: 'string', default: '0' } as const
const { values } = parseArgs({ options: { runs: { ...asked, default: '50' }, cascades: asked, decisions: asked } })
const wanted = toCount(values.runs)
const cascades = toCount(values.cascades)
const decisions = toCount(values.decisions)

// By way of `exit`, where the processes that were started are ended.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(2))

/** How often the time until the last use is taken. */
const timedRevocations = 100
const widths = [4, 12, 23, 13, 11, 11, 9, 9, 0]
const runs: Run[] = []
row('run', 'database', 'killed', 'acknowledged', 'registered', 'unanswered', 'log size', 'back, ms', 'found')
await runSeries('PGlite', Math.ceil(wanted / 2), () => 'server')
await runSeries('PostgreSQL', Math.floor(wanted / 2), (index) => (index % 2 === 0 ? 'server' : 'server and postmaster'))
const findings = [conclude()]
if (cascades > 0) findings.push(await runCascades('PGlite'), await runCascades('PostgreSQL'))
if (decisions > 0) findings.push(await runStaleness())
process.exitCode = Math.max(...findings)

function toCount(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 0) return number
  console.error('--runs, --cascades and --decisions are how many to make, 0 or more')
  return process.exit(2)
}

async function runSeries(database: Run['database'], count: number, killOf: (index: number) => Killed): Promise<void> {
  if (count === 0) return
  const series = await KillSeries.open(database)
  try {
    for (let index = 0; index < count; index++) tell(await series.run(killOf(index)))
  } finally {
    await series.close()
  }
}

function tell(run: Run): void {
  runs.push(run)
  const { database, killed, acknowledged, registered, unanswered, logSize, recoveryMs, faults } = run
  const counts = [acknowledged, registered, unanswered, logSize, Math.round(recoveryMs)]
  row(runs.length, database, killed, ...counts, faults.length === 0 ? 'nothing' : `${faults.length}: ${faults[0]}`)
}

function row(...cells: readonly (string | number)[]): void {
  console.log(cells.map((cell, index) => String(cell).padEnd(widths[index] ?? 0)).join(' '))
}

async function runCascades(database: Cascade['database']): Promise<number> {
  const series = await CascadeSeries.open(database)
  const stages = ['transaction', 'answer', 'tidying'] as const
  let bad = 0
  try {
    for (let index = 0; index < cascades; index++) {
      const killed = database === 'PostgreSQL' && index % 2 === 0 ? 'server and postmaster' : 'server'
      const cascade = await series.run(killed, stages[index % stages.length] ?? 'tidying')
      if (cascade.faults.length > 0) bad++
      console.log(cascade)
    }
  } finally {
    await series.close()
  }
  console.log(`${cascades} kills within revocations on ${database}: ${bad} left one in part, or untidied`)
  return bad === 0 ? 0 : 1
}

async function runStaleness(): Promise<number> {
  const series = await StalenessSeries.open()
  try {
    const putBack = await series.takeOutEpochCheck()
    const unchecked = await series.findStale(Math.min(decisions, 1000))
    await putBack()
    console.log('without the epoch check:', unchecked)
    const checked = await series.findStale(decisions)
    console.log('with the epoch check:', checked)
    console.log(tellLastUse(await series.timeLastUses(timedRevocations)))
    return unchecked.staleAllows > 0 && checked.staleAllows === 0 ? 0 : 1
  } finally {
    await series.close()
  }
}

function conclude(): number {
  const acknowledged = runs.reduce((sum, run) => sum + run.acknowledged, 0)
  const bad = runs.filter(({ faults }) => faults.length > 0).length
  const what = bad === 0 ? 'each is in its log, every chain verifies' : `${bad} runs found something missing or wrong`
  console.log(`${runs.length} of ${wanted} kills counted, ${acknowledged} decisions acknowledged: ${what}`)
  return bad === 0 && runs.length === wanted ? 0 : 1
}
