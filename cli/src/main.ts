import { systemClock } from '@agent-iam/sdk/local'
import { run } from './program.ts'
import { untilStopped } from './signals.ts'
import { askOnTerminal } from './terminal.ts'
import { exitCodes, type World } from './world.ts'

const world: World = {
  env: process.env,
  clock: systemClock,
  fetch: globalThis.fetch,
  isTerminal: process.stdout.isTTY,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  ask: (question) => askOnTerminal(question, false),
  askHidden: (question) => askOnTerminal(question, true),
  untilStopped,
}

process.exitCode = exitCodes.failed
process.exitCode = await run(process.argv.slice(2), world)
