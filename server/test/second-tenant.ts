import { check } from '@agent-iam/contract/authorization'
import { setImmediate } from 'node:timers/promises'
import type { Answer } from './test-api.ts'
import type { TestServer } from './test-server.ts'

/** How a tenant that has nothing to do with an attack is served. */
interface Served {
  readonly p99Ms: number
  /** Answers that were not 200. */
  readonly refused: number
}

export interface Measured {
  readonly quietMs: number
  /** The median of the 99th percentiles of the runs. */
  readonly attackedMs: number
  readonly refused: number
}

/** How often an attack is made. */
export const measuredRuns = 5
/** Fewer questions have no 99th percentile. */
const questionsMin = 200
/** What an attack may cost others where three times the quiet time is less. */
const allowedMs = 50

/** Asks for decisions in a second tenant, first quietly, then while it is attacked. */
export async function measure(
  server: TestServer,
  token: string,
  attack: (run: number) => Promise<unknown>,
): Promise<Measured> {
  await askWhile(server, token, Promise.resolve())
  const quiet = await askWhile(server, token, Promise.resolve())
  const attacked: Served[] = []
  for (let run = 0; run < measuredRuns; run++) attacked.push(await askWhile(server, token, attack(run)))
  return {
    quietMs: quiet.p99Ms,
    attackedMs: percentile(
      attacked.map(({ p99Ms }) => p99Ms),
      0.5,
    ),
    refused: attacked.reduce((sum, { refused }) => sum + refused, 0),
  }
}

/** Prints the figures of an attack, for who asked for them: `FIGURES=1`. */
export function show(attack: string, figures: object): void {
  if (process.env['FIGURES']) process.stdout.write(`${attack}: ${JSON.stringify(figures)}\n`)
}

/** The most that the 99th percentile may be during an attack. */
export function allowed({ quietMs }: Measured): number {
  return Math.max(3 * quietMs, allowedMs)
}

/** How many of some answers have which status. */
export function tally(answers: ReadonlyArray<Pick<Answer, 'status'>>): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

async function askWhile(server: TestServer, token: string, attack: Promise<unknown>): Promise<Served> {
  const times: number[] = []
  const state = { isOver: false }
  let refused = 0
  const over = attack.finally(() => (state.isOver = true))
  while (!state.isOver || times.length < questionsMin) {
    const began = performance.now()
    const { status } = await server.api.send(check, { body: { resource: 'file/a', action: 'read' }, token })
    times.push(performance.now() - began)
    if (status !== 200) refused++
    await setImmediate()
  }
  await over
  return { p99Ms: percentile(times, 0.99), refused }
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}
