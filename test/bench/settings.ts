import { parseArgs } from 'node:util'

export const ids = ['P1', 'P2', 'P3', 'P4', 'P5', 'P9', 'BULK', 'LOGINS', 'TREE'] as const
export type Id = (typeof ids)[number]

export interface Settings {
  readonly ids: ReadonlySet<Id>
  /** Of each run. */
  readonly seconds: number
  readonly rounds: number
  readonly connections: number
  /** Of P2, the smallest first. */
  readonly policySizes: readonly number[]
  readonly agentSizes: readonly number[]
  readonly jsonFile: string | undefined
}

const usage = `npm run bench -- [${ids.join(' ')}] [--json FILE] [--seconds 8] [--rounds 3] [--connections 64]
  [--policies 10,100,1000,10000] [--agents 1000,100000,1000000]`

/** Reads the command line; ends the process with the usage when it does not fit. */
export function readSettings(args: readonly string[]): Settings {
  try {
    return parse(args)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    return process.exit(2)
  }
}

function parse(args: readonly string[]): Settings {
  const text = { type: 'string' } as const
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: text, seconds: text, rounds: text, connections: text, policies: text, agents: text },
  })
  return {
    ids: new Set(positionals.length === 0 ? ids : positionals.map(toId)),
    seconds: toCount('--seconds', values.seconds ?? '8'),
    rounds: toCount('--rounds', values.rounds ?? '3'),
    connections: toCount('--connections', values.connections ?? '64'),
    policySizes: toCounts('--policies', values.policies ?? '10,100,1000,10000'),
    agentSizes: toCounts('--agents', values.agents ?? '1000,100000,1000000'),
    jsonFile: values.json,
  }
}

function toId(word: string): Id {
  const id = ids.find((each) => each === word.toUpperCase())
  if (!id) throw new Error(`no benchmark ${word}`)
  return id
}

function toCounts(name: string, text: string): number[] {
  return text.split(',').map((each) => toCount(name, each))
}

function toCount(name: string, text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new Error(`${name} is not a whole number above 0`)
  return count
}
