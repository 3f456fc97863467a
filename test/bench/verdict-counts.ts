import type { AgentIam } from './agent-iam.ts'

/** How many verdicts of policies a server gave again, and how many it had to evaluate. */
export interface VerdictCounts {
  readonly givenAgain: number
  readonly found: number
}

export async function readVerdictCounts({ url }: AgentIam): Promise<VerdictCounts> {
  const response = await fetch(`${url}/metrics`)
  const exposition = await response.text()
  if (!response.ok) throw new Error(`metrics are answered with ${response.status}: ${exposition}`)
  const read = (name: string) => {
    const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(exposition)?.[1]
    if (value === undefined) throw new Error(`the metrics tell no ${name}`)
    return Number(value)
  }
  return { givenAgain: read('agent_iam_verdicts_given_again'), found: read('agent_iam_verdicts_found') }
}

/** Of all verdicts, the share that was given again. */
export function hitRateOf(runs: readonly VerdictCounts[]): number {
  const sum = (count: (run: VerdictCounts) => number) => runs.reduce((total, run) => total + count(run), 0)
  const givenAgain = sum((run) => run.givenAgain)
  const all = givenAgain + sum((run) => run.found)
  return all === 0 ? 0 : givenAgain / all
}
