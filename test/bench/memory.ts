import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startAgentIam } from './agent-iam.ts'
import { median } from './statistics.ts'

export interface RestFigures {
  /** From the start of the process until it is ready, with the data of an earlier start. */
  readonly embeddedStartMs: number
  readonly embeddedIdleMb: number
  readonly postgresIdleMb: number
}

const idleMs = 10_000
const starts = 3

/** Start and memory of a server that nobody asks anything. */
export async function measureRest(databaseUrl: string): Promise<RestFigures> {
  const embedded = await startAgain(undefined)
  const postgres = await startAgain(databaseUrl)
  return {
    embeddedStartMs: embedded.startMs,
    embeddedIdleMb: embedded.idleMb,
    postgresIdleMb: postgres.idleMb,
  }
}

async function startAgain(databaseUrl: string | undefined): Promise<{ startMs: number; idleMb: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-bench-'))
  try {
    const first = await startAgentIam(folder, databaseUrl)
    await first.stop()
    const startsMs: number[] = []
    for (let start = 1; start < starts; start++) {
      const again = await startAgentIam(folder, databaseUrl)
      startsMs.push(again.startMs)
      await again.stop()
    }
    const server = await startAgentIam(folder, databaseUrl)
    startsMs.push(server.startMs)
    await sleep(idleMs)
    const idleMb = residentMb(server.pid)
    await server.stop()
    return { startMs: median(startsMs), idleMb }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Resident memory of one process, in millions of bytes. */
export function residentMb(pid: number): number {
  const kibibytes = Number(execFileSync('ps', ['-o', 'rss=', '-p', `${pid}`], { encoding: 'utf8' }))
  if (!(kibibytes > 0)) throw new Error(`process ${pid} has no memory`)
  return (kibibytes * 1024) / 1e6
}
