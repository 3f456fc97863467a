import { availableParallelism } from 'node:os'
import { offeredShare, wakeSeconds } from './contender.ts'
import { type PolicyFigures, type SizeFigures } from './policies.ts'
import { percent, printBudget, printTable, type Entry } from './report.ts'
import type { Settings } from './settings.ts'

const budget = 0.9

export function printPolicies({ policies, agents }: PolicyFigures, settings: Settings): void {
  const { connections, seconds, rounds, policySizes, agentSizes } = settings

  console.log(`
Checks with ${policySizes.join(', ')} policies. In each set the same 10 have no scope; of the rest 30 % are by action, 60 % by
resource, 10 % by principal, so ten policies at the most name one action. One question in twenty asks for such an action.
Every answer is compared with the right one, every event counted. ${rounds} rounds of ${seconds} s in turn, each after
${wakeSeconds} s that do not count; ${connections} connections, each server and database of its own on one PostgreSQL; latency at ${percent(offeredShare)} of saturation; all on ${availableParallelism()} cores.
`)
  printSizes('policies', policies)
  console.log(`
Checks among ${agentSizes.join(', ')} agents with the policies of P1; 100 of them ask, registered all through the time that the others,
which are rows, were made. Otherwise as above.
`)
  printSizes('agents', agents)
  printBudget('P2 ratio, policies', ratioOf(last(policies), policies), { atLeast: budget })
  printBudget('P2 ratio, agents', ratioOf(last(agents), agents), { atLeast: budget })
}

export function policiesEntry({ policies, agents }: PolicyFigures): Entry {
  const { perSecond, p50Ms, p99Ms } = last(policies)
  const withRatios = (all: readonly SizeFigures[]) => all.map((each) => ({ ...each, ratio: ratioOf(each, all) }))
  return {
    value: perSecond,
    unit: 'checks/s',
    ratio: ratioOf(last(policies), policies),
    p50Ms,
    p99Ms,
    against: `the same checks with ${policies[0]?.size} policies`,
    agentsRatio: ratioOf(last(agents), agents),
    policies: withRatios(policies),
    agents: withRatios(agents),
  }
}

function printSizes(what: string, all: readonly SizeFigures[]): void {
  const rows = all.map((each) => [
    `${each.size}${each.keepsVerdicts ? '' : ', no verdict kept'}`,
    each.perSecond.toFixed(0),
    each.rounds.map((round) => round.toFixed(0)).join(' '),
    `× ${ratioOf(each, all).toFixed(2)}`,
    percent(each.cacheHitRate),
    `${each.changedAnswers}`,
    each.p50Ms.toFixed(2),
    each.p99Ms.toFixed(2),
    each.residentMb.toFixed(0),
  ])
  printTable([what, 'checks/s', 'rounds', 'ratio', 'hit rate', 'other answers', 'p50 ms', 'p99 ms', 'RSS MB'], rows)
}

/** To the smallest that remembers as much. */
function ratioOf({ perSecond, keepsVerdicts }: SizeFigures, all: readonly SizeFigures[]): number {
  const smallest = all.find((each) => each.keepsVerdicts === keepsVerdicts)
  return perSecond / (smallest?.perSecond ?? Number.NaN)
}

/** The largest of those that remember verdicts. */
function last(all: readonly SizeFigures[]): SizeFigures {
  const largest = all.findLast(({ keepsVerdicts }) => keepsVerdicts)
  if (!largest) throw new Error('nothing was measured')
  return largest
}
