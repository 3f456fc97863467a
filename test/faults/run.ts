// `npm run faults -- --runs N`: kills N servers under load, half on PGlite and half on PostgreSQL, and says what was lost.
import { parseArgs } from 'node:util'
import { type Killed, KillSeries, type Run } from './kill-9.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '50' } } })
const wanted = Number(values.runs)
if (!Number.isInteger(wanted) || wanted < 1) {
  console.error('--runs is how many kills to make, 1 or more')
  process.exit(2)
}

// By way of `exit`, where the processes that were started are ended.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(2))

const widths = [4, 12, 23, 13, 11, 11, 9, 9, 0]
const runs: Run[] = []
row('run', 'database', 'killed', 'acknowledged', 'registered', 'unanswered', 'log size', 'back, ms', 'found')
await runSeries('PGlite', Math.ceil(wanted / 2), () => 'server')
await runSeries('PostgreSQL', Math.floor(wanted / 2), (index) => (index % 2 === 0 ? 'server' : 'server and postmaster'))
process.exitCode = conclude()

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

function conclude(): number {
  const acknowledged = runs.reduce((sum, run) => sum + run.acknowledged, 0)
  const bad = runs.filter(({ faults }) => faults.length > 0).length
  const what = bad === 0 ? 'each is in its log, every chain verifies' : `${bad} runs found something missing or wrong`
  console.log(`${runs.length} of ${wanted} kills counted, ${acknowledged} decisions acknowledged: ${what}`)
  return bad === 0 && runs.length === wanted ? 0 : 1
}
