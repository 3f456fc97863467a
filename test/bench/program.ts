import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Program {
  readonly pid: number
  /** From its start until it was ready. */
  readonly startMs: number
  readonly stop: () => Promise<void>
}

interface ProgramOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Answers 200 once the program is ready. */
  readonly readyUrl: string
}

const readyWithinMs = 30_000
const readyPollMs = 5

/** Starts a program and waits until it says that it is ready. It never outlives us. */
export async function startProgram({ command, args, cwd, env, readyUrl }: ProgramOptions): Promise<Program> {
  const began = performance.now()
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (text) => (said = `${said}${text}`.slice(-4000)))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)

  while (!(await isReady(readyUrl))) {
    if (child.exitCode !== null) throw new Error(`${command} ended before it was ready: ${said}`)
    if (performance.now() - began > readyWithinMs) throw new Error(`${command} is not ready: ${said}`)
    await sleep(readyPollMs)
  }
  return {
    pid: child.pid ?? 0,
    startMs: performance.now() - began,
    async stop() {
      process.off('exit', kill)
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

async function isReady(url: string): Promise<boolean> {
  return fetch(url).then(
    async (response) => {
      await response.arrayBuffer()
      return response.ok
    },
    () => false,
  )
}
