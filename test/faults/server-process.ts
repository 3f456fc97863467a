import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A server in a process of its own, which can be killed without any of its code running again. */
export interface ServerProcess {
  readonly pid: number
  /** Sends a signal and waits for the end; gives the exit code, or null when the signal ended it. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>
  /** The last lines that it wrote. */
  said(): string
}

/** The program that `npm start` runs. */
const main = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url))
/** Enough to see why it ended. */
const linesKept = 30

export type Environment = Readonly<Record<string, string>>

/** Starts a server and waits until it listens. `program` is another than the real one only to show what that would do. */
export async function startServerProcess(
  folder: string,
  environment: Environment,
  program = main,
): Promise<ServerProcess> {
  const child = spawn(process.execPath, ['--conditions=@agent-iam/source', program], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endWithUs(child)
  const lines: string[] = []
  await untilListening(child, lines)
  return {
    pid: child.pid ?? 0,
    said: () => lines.join('\n'),
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
      return child.exitCode
    },
  }
}

async function untilListening(child: ChildProcess, lines: string[]): Promise<void> {
  const { stdout, stderr } = child
  if (!stdout || !stderr) throw new Error('the process has no output to read')
  await new Promise<void>((resolve, reject) => {
    for (const input of [stdout, stderr]) {
      createInterface({ input }).on('line', (line) => {
        lines.push(line)
        if (lines.length > linesKept) lines.shift()
        if (line.includes('"listening"')) resolve()
      })
    }
    child.once('error', reject)
    child.once('exit', () => {
      reject(new Error(`the server ended before it listened:\n${lines.join('\n')}`))
    })
  })
}

/** A test that forgets to end it, or is ended itself, must not leave it running. */
function endWithUs(child: ChildProcess): void {
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
}
