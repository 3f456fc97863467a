import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, type KeptHead } from '@agent-iam/sdk'
import { embeddedGround, type Ground, type PostgresGround, postgresGround } from './ground.ts'
import { type Acknowledged, Load } from './load.ts'
import { findLost } from './lost.ts'
import { finishSetup, logInAdministrator, registerAgent, type TestAgent } from './people.ts'
import { type LoggedEvent, readLog } from './read-log.ts'
import type { ServerProcess } from './server-process.ts'

export type Killed = 'server' | 'server and postmaster'

/** One kill that counts: decisions were acknowledged before it, and others were on their way. */
export interface Run {
  readonly database: 'PGlite' | 'PostgreSQL'
  readonly killed: Killed
  readonly acknowledged: number
  readonly registered: number
  /** Questions asked before the kill that it kept from being answered. */
  readonly unanswered: number
  /** How long the log was afterwards. */
  readonly logSize: number
  readonly recoveryMs: number
  readonly faults: readonly string[]
}

/** The kill comes at a random moment of this stretch, once there are answers. */
const killWithinMs = 2500
/** So many agents ask at once. */
const agentsMax = 6
/** A run that does not count is repeated; that it never counts would be a fault of the test. */
const attemptsMax = 10

/** Kills and restarts one installation again and again; each run checks all that any run acknowledged. */
export class KillSeries {
  readonly #database: Run['database']
  readonly #ground: Ground | PostgresGround
  readonly #program: string | undefined
  #server: ServerProcess
  #agents: readonly TestAgent[] = []
  readonly #acknowledged: Acknowledged[] = []
  readonly #registered: string[] = []
  #kept: KeptHead | undefined

  static async open(database: Run['database'], program?: string): Promise<KillSeries> {
    const ground = database === 'PGlite' ? await embeddedGround() : await postgresGround()
    try {
      const series = new KillSeries(database, ground, await ground.start({ program }), program)
      await series.#prepare()
      return series
    } catch (error) {
      await ground.close()
      throw error
    }
  }

  private constructor(database: Run['database'], ground: Ground, server: ServerProcess, program: string | undefined) {
    this.#database = database
    this.#ground = ground
    this.#server = server
    this.#program = program
  }

  /** One run that counts. */
  async run(killed: Killed): Promise<Run> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const { load, unanswered } = await this.#loadAndKill(killed)
      const began = performance.now()
      await this.#recover(killed)
      const recoveryMs = performance.now() - began
      this.#acknowledged.push(...load.acknowledged)
      this.#registered.push(...load.registered)
      if (load.acknowledged.length > 0 && unanswered > 0)
        return { ...(await this.#judge(load)), killed, unanswered, recoveryMs }
    }
    throw new Error(`no kill of ${attemptsMax} found decisions both acknowledged and on their way`)
  }

  close(): Promise<void> {
    return this.#ground.close()
  }

  async #prepare(): Promise<void> {
    await finishSetup(this.#ground)
    const administrator = await logInAdministrator(this.#ground.url)
    this.#agents = await Promise.all(
      Array.from({ length: agentsMax }, (_, number) => registerAgent(administrator, `asker-${number}`)),
    )
  }

  async #loadAndKill(killed: Killed): Promise<{ load: Load; unanswered: number }> {
    const { url } = this.#ground
    const tokens = await Promise.all(this.#agents.map((agent) => agent.logIn(url)))
    const { client } = await logInAdministrator(url)
    const load = new Load(
      tokens.map((token) => ({ url, token })),
      client,
    )
    await load.more(1)
    await sleep(Math.random() * killWithinMs)
    const killedAt = performance.now()
    const ends = [this.#server.end('SIGKILL')]
    if (killed === 'server and postmaster')
      ends.push(
        this.#postgres()
          .kill()
          .then(() => null),
      )
    await Promise.all([...ends, load.stop()])
    return { load, unanswered: load.unanswered.filter((askedAt) => askedAt < killedAt).length }
  }

  async #recover(killed: Killed): Promise<void> {
    if (killed === 'server and postmaster') await this.#postgres().restart()
    this.#server = await this.#ground.start({ program: this.#program })
  }

  async #judge(load: Load): Promise<Omit<Run, 'killed' | 'unanswered' | 'recoveryMs'>> {
    const { client } = await logInAdministrator(this.#ground.url)
    const { verdict, events } = await readLog(client, this.#kept)
    const faults = [
      ...load.surprises,
      ...findLost(this.#acknowledged, events),
      ...(await findHalfWritten(client, this.#registered, events)),
    ]
    if (verdict.status === 'verified') this.#kept = verdict.head
    else faults.push(`entry ${verdict.sequence}: ${verdict.fault}`)
    return {
      database: this.#database,
      acknowledged: load.acknowledged.length,
      registered: load.registered.length,
      logSize: events.length,
      faults,
    }
  }

  #postgres() {
    if ('postgres' in this.#ground) return this.#ground.postgres
    throw new Error('only PostgreSQL has a postmaster to kill')
  }
}

const registeredResource = /^agent-iam\/agents\/(agt_[0-9a-f]{32})$/

/** Agents acknowledged or recorded that are not there, or there without a record. */
async function findHalfWritten(
  client: Client,
  acknowledged: readonly string[],
  events: readonly LoggedEvent[],
): Promise<string[]> {
  const recorded = new Set(
    events.flatMap(({ type, resource }) =>
      type === 'agent.registered' ? [registeredResource.exec(resource ?? '')?.[1] ?? `${resource}`] : [],
    ),
  )
  const present = await listAgentIds(client)
  return [...new Set([...recorded, ...present, ...acknowledged])].flatMap((id) =>
    recorded.has(id) && present.has(id) ? [] : [`${id} is half written`],
  )
}

async function listAgentIds({ agents }: Client): Promise<Set<string>> {
  const ids = new Set<string>()
  let cursor: string | undefined
  do {
    const page = await agents.list({ query: { limit: 100, ...(cursor !== undefined && { cursor }) } })
    for (const { agentId } of page.agents) ids.add(agentId)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return ids
}
