import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { cerbosVersion } from './cerbos.ts'
import type { CheckFigures } from './checks.ts'
import { offeredPerSecondMax, offeredShare, wakeSeconds, type Figures } from './contender.ts'
import { checkShare, concurrentLogins, type Latency, type LoginFigures } from './logins.ts'
import type { RestFigures } from './memory.ts'
import type { Id, Settings } from './settings.ts'
import { agentCount, questionCount } from './workload.ts'

/** One benchmark as `--json` tells it. */
export interface Entry {
  readonly value: number
  readonly unit: string
  /** Null where nothing is compared but a budget. */
  readonly ratio: number | null
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly against: string
  readonly [more: string]: unknown
}

const budgets = {
  P1: { ratio: 2, p99Ms: 10 },
  P3: { ratio: 0.4 },
  P9: { startMs: 2000, embeddedMb: 450, postgresMb: 200 },
}

export async function writeEntries(file: string, entries: Partial<Record<Id, Entry>>): Promise<void> {
  await writeFile(file, `${JSON.stringify(entries, null, 2)}\n`)
}

/** What the figures of checks say for P1 and P3. */
export function checkEntries({
  ours,
  cacheHitRate,
  uncached,
  embedded,
  cerbos,
  echo,
}: CheckFigures): Partial<Record<Id, Entry>> {
  const more = {
    rounds: ours.rounds,
    offeredPerSecond: ours.offeredPerSecond,
    embedded,
    uncached: uncached.perSecond,
    uncachedFigures: uncached,
    cacheHitRate,
  }
  const entry = (peer: Figures, against: string): Entry => ({
    value: ours.perSecond,
    unit: 'checks/s',
    ratio: ours.perSecond / peer.perSecond,
    p50Ms: ours.p50Ms,
    p99Ms: ours.p99Ms,
    against,
    peer,
    uncachedRatio: uncached.perSecond / peer.perSecond,
    ...more,
  })
  return {
    ...(cerbos && { P1: entry(cerbos, `Cerbos ${cerbosVersion}, bare, over HTTP`) }),
    ...(echo && { P3: entry(echo, 'an echo over HTTP by the same framework') }),
  }
}

export function restEntry({ embeddedStartMs, embeddedIdleMb, postgresIdleMb }: RestFigures): Entry {
  return {
    value: embeddedStartMs / 1000,
    unit: 's',
    ratio: null,
    p50Ms: null,
    p99Ms: null,
    against: 'a budget of 2 s',
    embeddedIdleMb,
    postgresIdleMb,
    pgliteShareMb: embeddedIdleMb - postgresIdleMb,
  }
}

export function loginEntry({ beside, alone, ...more }: LoginFigures): Entry {
  return {
    value: beside.p99Ms,
    unit: 'ms',
    ratio: beside.p99Ms / alone.p99Ms,
    ...beside,
    against: 'the same checks with nobody logging in',
    alone,
    ...more,
  }
}

export function printLogins({ alone, beside, ...figures }: LoginFigures, { seconds, rounds }: Settings): void {
  console.log(`
Logins: checks at ${figures.offeredPerSecond.toFixed(0)}/s (${percent(checkShare)} of saturation, open loop), alone and beside ${concurrentLogins} people who log in again as
soon as they are answered; ${rounds} rounds of ${seconds} s each in turn, on PostgreSQL, all on ${availableParallelism()} cores.
${figures.loginsPerSecond.toFixed(0)} logins/s were answered, ${figures.turnedAway} turned away.
`)
  const row = (name: string, { p50Ms, p99Ms }: Latency) => [name, p50Ms.toFixed(2), p99Ms.toFixed(2)]
  printTable(['checks', 'p50 ms', 'p99 ms'], [row('alone', alone), row('beside logins', beside)])
  console.log(`p50 × ${(beside.p50Ms / alone.p50Ms).toFixed(2)}, p99 × ${(beside.p99Ms / alone.p99Ms).toFixed(2)}`)
}

export function printChecks(figures: CheckFigures, { connections, seconds, rounds }: Settings): void {
  const { ours, uncached, embedded, cerbos, echo, allowedShare } = figures
  console.log(`
Checks: ${questionCount} distinct questions of ${agentCount} agents, Zipf-distributed, ${percent(allowedShare)} allowed; every answer compared with
the right one, every event counted in the log. ${rounds} rounds of ${seconds} s in turn, each
after ${wakeSeconds} s that do not count; warmed by every question once.
Saturation with ${connections} connections; latency in an open loop (Poisson) at ${percent(offeredShare)} of it, at most ${offeredPerSecondMax}/s.
Processes: one of each server (ours and the echo one thread of JavaScript, Cerbos as many threads as it likes), PostgreSQL
15 with fsync on, and one generator; all share ${availableParallelism()} cores. No Redis. Limits
are counted, far off. Verdicts of policies are remembered: of those measured, ${percent(figures.cacheHitRate)} were given again.
`)
  const rows: [string, Figures | undefined][] = [
    ['Agent IAM on PostgreSQL', ours],
    ['Agent IAM, no verdict kept', uncached],
    ['Agent IAM, embedded', embedded],
    [`Cerbos ${cerbosVersion}, bare`, cerbos],
    ['bare echo, same framework', echo],
  ]
  const table = rows.flatMap(([name, row]) => (row ? [[name, ...cellsOf(row, ours)]] : []))
  printTable(['', 'answers/s', 'rounds', 'ours is', 'offered/s', 'p50 ms', 'p99 ms'], table)
  if (cerbos) printBudget('P1 ratio', ours.perSecond / cerbos.perSecond, { atLeast: budgets.P1.ratio })
  if (cerbos) printBudget('P1 p99 ms', ours.p99Ms, { below: budgets.P1.p99Ms })
  if (cerbos)
    printBudget('P1 ratio, no verdict kept', uncached.perSecond / cerbos.perSecond, { atLeast: budgets.P1.ratio })
  if (echo) printBudget('P3 ratio', ours.perSecond / echo.perSecond, { atLeast: budgets.P3.ratio })
  if (echo) printBudget('P3 ratio, no verdict kept', uncached.perSecond / echo.perSecond, { atLeast: budgets.P3.ratio })
}

export function printRest({ embeddedStartMs, embeddedIdleMb, postgresIdleMb }: RestFigures): void {
  console.log('\nStart and memory, of a server that has data and that nobody asks anything for 10 s:\n')
  printBudget('P9 start, embedded, ms', embeddedStartMs, { below: budgets.P9.startMs })
  printBudget('P9 memory, embedded, MB', embeddedIdleMb, { below: budgets.P9.embeddedMb })
  printBudget('P9 memory, on PostgreSQL, MB', postgresIdleMb, { below: budgets.P9.postgresMb })
  console.log(
    `The embedded database's share is ${(embeddedIdleMb - postgresIdleMb).toFixed(0)} MB; PostgreSQL's own processes are not counted.`,
  )
}

function cellsOf(row: Figures, ours: Figures): string[] {
  const { perSecond, rounds, offeredPerSecond, p50Ms, p99Ms } = row
  return [
    perSecond.toFixed(0),
    rounds.map((each) => each.toFixed(0)).join(' '),
    row === ours ? '' : `× ${(ours.perSecond / perSecond).toFixed(3)}`,
    offeredPerSecond.toFixed(0),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
  ]
}

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)))
  for (const row of [head, widths.map((width) => '-'.repeat(width)), ...rows])
    console.log(`| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  console.log()
}

/** Says whether a budget is kept and by how much; nothing fails for it. */
export function printBudget(name: string, value: number, budget: { atLeast: number } | { below: number }): void {
  const [limit, isMet, sign] =
    'atLeast' in budget ? [budget.atLeast, value >= budget.atLeast, '≥'] : [budget.below, value < budget.below, '<']
  const off = Math.max(value / limit, limit / value)
  const shown = value >= 100 ? value.toFixed(0) : value.toPrecision(3)
  console.log(
    `${name.padEnd(30)} ${shown.padStart(7)}   budget ${sign} ${limit}: ${isMet ? 'met' : 'missed'} by a factor of ${off.toFixed(2)}`,
  )
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`
}
