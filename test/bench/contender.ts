import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  fill,
  logSizeReader,
  requireTokensAreVerified,
  startAgentIam,
  targetOf,
  type AgentIam,
  type FilledServer,
  type RegisteredAgent,
} from './agent-iam.ts'
import { askAll, offer, saturate, type Peer, type Run, type Target } from './load.ts'
import type { Settings } from './settings.ts'
import { median, percentile } from './statistics.ts'
import { hitRateOf, readVerdictCounts, type VerdictCounts } from './verdict-counts.ts'
import type { Workload } from './workload.ts'

/** What one server did. */
export interface Figures {
  /** Answers in a second at saturation: the median of the rounds. */
  readonly perSecond: number
  readonly rounds: readonly number[]
  readonly offeredPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** A server in the race, with its runs so far. */
export interface Contender {
  readonly name: string
  /** Its target now: tokens last a quarter of an hour, so who has agents logs them in anew for each phase. */
  readonly open: () => Promise<Target>
  /** Runs load, and throws when it did not leave the traces of real work. */
  readonly prove: (load: () => Promise<Run>) => Promise<Run>
  readonly stop: () => Promise<void>
  readonly saturated: Run[]
  readonly offered: Run[]
}

/** More than this tells nothing more about latency. */
export const offeredPerSecondMax = 10_000
export const offeredShare = 0.7
/** What rested while the others had their turn has left the caches, and in part the memory: it runs so long unmeasured. */
export const wakeSeconds = 4

export function peerContender({ target, stop }: Peer): Contender {
  const open = () => Promise.resolve(target)
  return { name: target.name, open, prove: (load) => load(), stop, saturated: [], offered: [] }
}

/** Ours in the race. */
export interface Ours extends Contender {
  readonly filled: FilledServer
  /** Of each run, the warming one first. */
  readonly verdicts: readonly VerdictCounts[]
}

export interface OursOptions {
  /** Embedded without. */
  readonly databaseUrl?: string
  readonly settings?: Readonly<Record<string, string>>
  readonly afterEachAgent?: (agent: RegisteredAgent) => Promise<void>
}

/** With these it evaluates the policies for every question. */
export const noVerdictKept = { AGENT_IAM_VERDICTS_KEPT: '0' }

/** Ours, filled with the workload. It has written an event for every answer, or the run does not count. */
export async function startOurs(name: string, workload: Workload, options: OursOptions = {}): Promise<Ours> {
  const { databaseUrl, settings, afterEachAgent } = options
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-bench-'))
  const server = await startAgentIam(folder, databaseUrl, settings)
  const filled = await fill(server, workload, afterEachAgent)
  await requireTokensAreVerified(await targetOf(filled, name))
  const verdicts: VerdictCounts[] = []
  return {
    name,
    filled,
    verdicts,
    open: () => targetOf(filled, name),
    async prove(load) {
      const before = await readVerdictCounts(server)
      const run = await withEventsCounted(server, load)
      const after = await readVerdictCounts(server)
      verdicts.push({ givenAgain: after.givenAgain - before.givenAgain, found: after.found - before.found })
      return run
    },
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
    saturated: [],
    offered: [],
  }
}

/** In rounds, one server after the other, so that what else the machine does meets all alike. */
export async function race(contenders: readonly Contender[], settings: Settings): Promise<void> {
  await eachInTurn(contenders, 1, async ({ prove }, target) => {
    await prove(() => askAll(target, settings.connections))
  })
  const wake = (target: Target, seed: number) => saturate(target, { ...settings, seconds: wakeSeconds, seed })
  await eachInTurn(contenders, settings.rounds, async ({ prove, saturated }, target, seed) => {
    await wake(target, seed)
    saturated.push(await prove(() => saturate(target, { ...settings, seed })))
  })
  await eachInTurn(contenders, settings.rounds, async (contender, target, seed) => {
    const { prove, offered } = contender
    await wake(target, seed)
    offered.push(await prove(() => offer(target, { ...settings, seed }, offeredTo(contender))))
  })
}

export function figuresOf(contender: Contender): Figures {
  const latencies = contender.offered.flatMap(({ latenciesMs }) => latenciesMs)
  return {
    perSecond: saturationOf(contender),
    rounds: contender.saturated.map(perSecondOf),
    offeredPerSecond: offeredTo(contender),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  }
}

/** Of the verdicts in all runs but the warming one, the share that was remembered. */
export function cacheHitRateOf({ name, verdicts }: Ours): number {
  const [, ...measured] = verdicts
  if (measured.length === 0) throw new Error(`${name} was not measured`)
  return hitRateOf(measured)
}

async function eachInTurn(
  contenders: readonly Contender[],
  rounds: number,
  work: (contender: Contender, target: Target, seed: number) => Promise<void>,
): Promise<void> {
  const targets = new Map<Contender, Target>()
  for (const contender of contenders) targets.set(contender, await contender.open())
  for (let round = 1; round <= rounds; round++)
    for (const [contender, target] of targets) await work(contender, target, round)
}

/** Throws unless each answer left as many events as it must. */
export async function withEventsCounted(server: AgentIam, load: () => Promise<Run>, eventsPerAnswer = 1): Promise<Run> {
  const logSize = await logSizeReader(server)
  const before = await logSize()
  const run = await load()
  const written = (await logSize()) - before
  if (written !== run.answers * eventsPerAnswer)
    throw new Error(`${run.answers} answers left ${written} events in the log`)
  return run
}

function offeredTo(contender: Contender): number {
  return Math.min(offeredPerSecondMax, offeredShare * saturationOf(contender))
}

function saturationOf({ saturated }: Contender): number {
  return median(saturated.map(perSecondOf))
}

function perSecondOf({ answers, seconds }: Run): number {
  return answers / seconds
}
