import { answerBytesOf } from './agent-iam.ts'
import { startCerbos } from './cerbos.ts'
import { figuresOf, peerContender, race, startOurs, type Contender, type Figures } from './contender.ts'
import { startEcho } from './echo.ts'
import type { Settings } from './settings.ts'
import { makeWorkload } from './workload.ts'

export interface CheckFigures {
  readonly allowedShare: number
  readonly ours: Figures
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
  const enter = (contender: Contender) => {
    contenders.push(contender)
    return contender
  }
  try {
    const ours = enter(await startOurs('Agent IAM', workload, databaseUrl))
    const embedded = enter(await startOurs('Agent IAM, embedded', workload))
    const cerbos = settings.ids.has('P1') ? enter(peerContender(await startCerbos(workload))) : undefined
    const echo = settings.ids.has('P3') ? enter(await startEchoOf(ours)) : undefined
    await race(contenders, settings)
    return {
      allowedShare,
      ours: figuresOf(ours),
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
