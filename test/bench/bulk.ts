// BULK: the same questions asked one by one, and a hundred at once.
import { availableParallelism } from 'node:os'
import { bulkCheck, bulkChecksMax } from '@agent-iam/contract/authorization'
import { bodyOf, logInAll, type FilledServer } from './agent-iam.ts'
import {
  cacheHitRateOf,
  figuresOf,
  race,
  startOurs,
  withEventsCounted,
  type Contender,
  type Figures,
} from './contender.ts'
import { postRequest, type Answer } from './http-connection.ts'
import type { Target } from './load.ts'
import { percent, printTable, type Entry } from './report.ts'
import type { Settings } from './settings.ts'
import { makeWorkload, type Question } from './workload.ts'

export interface BulkFigures {
  /** Requests of one question each. */
  readonly single: Figures
  /** Requests of a hundred; the figures are of requests. */
  readonly bulk: Figures
  readonly itemsPerSecond: number
  readonly cacheHitRate: number
}

export async function measureBulk(settings: Settings, databaseUrl: string): Promise<BulkFigures> {
  const single = await startOurs('Agent IAM, one by one', makeWorkload(), { databaseUrl })
  try {
    const bulk = inBulk(single.filled)
    await race([single, bulk], settings)
    const figures = { single: figuresOf(single), bulk: figuresOf(bulk), cacheHitRate: cacheHitRateOf(single) }
    return { ...figures, itemsPerSecond: figures.bulk.perSecond * bulkChecksMax }
  } finally {
    await single.stop()
  }
}

export function printBulk(figures: BulkFigures, { connections, seconds, rounds }: Settings): void {
  const { single, bulk, itemsPerSecond, cacheHitRate } = figures
  console.log(`
Bulk: the questions of P1 one by one, and ${bulkChecksMax} of one agent in a request, on one server on PostgreSQL in turn; every item compared
with its right answer and counted in the log. ${rounds} rounds of ${seconds} s with ${connections} connections; latency at 70 % of
saturation, of requests. All on ${availableParallelism()} cores; ${percent(cacheHitRate)} of the single checks' verdicts were given again.
`)
  const row = (name: string, { perSecond, p50Ms, p99Ms }: Figures, items: number) => [
    name,
    perSecond.toFixed(0),
    items.toFixed(0),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
  ]
  printTable(
    ['', 'requests/s', 'items/s', 'p50 ms', 'p99 ms'],
    [row('one by one', single, single.perSecond), row(`${bulkChecksMax} at once`, bulk, itemsPerSecond)],
  )
  console.log(`items/s × ${(itemsPerSecond / single.perSecond).toFixed(2)}`)
}

export function bulkEntry({ single, bulk, itemsPerSecond, cacheHitRate }: BulkFigures): Entry {
  return {
    value: itemsPerSecond,
    unit: 'items/s',
    ratio: itemsPerSecond / single.perSecond,
    p50Ms: bulk.p50Ms,
    p99Ms: bulk.p99Ms,
    against: 'the same checks one by one',
    peer: single,
    requests: bulk,
    itemsPerRequest: bulkChecksMax,
    cacheHitRate,
  }
}

function inBulk(filled: FilledServer): Contender {
  const name = 'Agent IAM, in bulk'
  return {
    name,
    open: () => bulkTargetOf(filled, name),
    prove: (load) => withEventsCounted(filled.server, load, bulkChecksMax),
    stop: () => Promise.resolve(),
    saturated: [],
    offered: [],
  }
}

async function bulkTargetOf(filled: FilledServer, name: string): Promise<Target> {
  const tokens = await logInAll(filled)
  const batches = filled.agents.map((_, agent) => batchOf(filled.workload.questions, agent))
  return {
    name,
    port: filled.server.port,
    requests: batches.map((batch, agent) =>
      postRequest(bulkCheck.path, { checks: batch.map(bodyOf) }, { authorization: `Bearer ${tokens[agent]}` }),
    ),
    check: (place, answer) => checkAnswers(batches[place] ?? [], answer),
  }
}

/** As many questions of one agent as fit, over again where it has fewer. */
function batchOf(questions: readonly Question[], agent: number): Question[] {
  const own = questions.filter((question) => question.agent === agent)
  return Array.from({ length: bulkChecksMax }, (_, place) => own[place % own.length]).filter(
    (question) => question !== undefined,
  )
}

/** Only what stands for a decision is read: to parse it all would take a core from the server. */
const verdict = /"allowed":(true|false)/g

function checkAnswers(batch: readonly Question[], { status, body }: Answer): void {
  const answers = status === 200 ? body.toString('latin1').match(verdict) : []
  const isRight =
    batch.length === answers?.length && batch.every((each, n) => answers[n] === `"allowed":${each.isAllowed}`)
  if (!isRight) throw new Error(`a request in bulk is answered ${status} ${body.toString().slice(0, 1000)}`)
}
