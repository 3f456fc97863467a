import { answerBytesOf } from './agent-iam.ts'
import { startCerbos } from './cerbos.ts'
import {
  cacheHitRateOf,
  figuresOf,
  noVerdictKept,
  peerContender,
  race,
  startOurs,
  type Contender,
  type Figures,
} from './contender.ts'
import { startEcho } from './echo.ts'
import { createDatabase } from './own-database.ts'
import type { Settings } from './settings.ts'
import { makeWorkload } from './workload.ts'

export interface CheckFigures {
  readonly allowedShare: number
  readonly ours: Figures
  /** Of the verdicts of `ours`, the share that was remembered. */
  readonly cacheHitRate: number
  /** Ours on PostgreSQL, which evaluates the policies for every question. */
  readonly uncached: Figures
  readonly embedded: Figures
  readonly echo: Figures | undefined
  readonly cerbos: Figures | undefined
}

/** A workload with fewer allows, or fewer denies, measures one path only. */
const allowedShares = { min: 0.3, max: 0.7 }

/** Checks on our server and on those peers that the chosen benchmarks compare it with. */
export async function measureChecks(settings: Settings, databaseUrl: string): Promise<CheckFigures> {
  const workload = makeWorkload()
  const { allowedShare } = workload
  if (allowedShare < allowedShares.min || allowedShare > allowedShares.max) throw new Error('verdicts are not mixed')

  const contenders: Contender[] = []
  const enter = <Entered extends Contender>(contender: Entered) => {
    contenders.push(contender)
    return contender
  }
  try {
    const ours = enter(await startOurs('Agent IAM', workload, { databaseUrl }))
    const uncachedUrl = await createDatabase(databaseUrl, 'uncached')
    const uncached = enter(
      await startOurs('Agent IAM, no verdict kept', workload, { databaseUrl: uncachedUrl, settings: noVerdictKept }),
    )
    const embedded = enter(await startOurs('Agent IAM, embedded', workload))
    const cerbos = settings.ids.has('P1') ? enter(peerContender(await startCerbos(workload))) : undefined
    const echo = settings.ids.has('P3') ? enter(await startEchoOf(ours)) : undefined
    await race(contenders, settings)
    if (cacheHitRateOf(uncached) > 0) throw new Error('a server that keeps no verdict gave one again')
    return {
      allowedShare,
      ours: figuresOf(ours),
      cacheHitRate: cacheHitRateOf(ours),
      uncached: figuresOf(uncached),
      embedded: figuresOf(embedded),
      cerbos: cerbos && figuresOf(cerbos),
      echo: echo && figuresOf(echo),
    }
  } finally {
    for (const { stop } of contenders) await stop()
  }
}

async function startEchoOf(contender: Contender): Promise<Contender> {
  const target = await contender.open()
  return peerContender(await startEcho(target, await answerBytesOf(target)))
}
