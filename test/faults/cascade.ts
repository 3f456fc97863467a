import { setTimeout as sleep } from 'node:timers/promises'
import { embeddedGround, type Ground, type PostgresGround, postgresGround } from './ground.ts'
import { pause } from './load.ts'
import { type Administrator, allowedPrefix, finishSetup, logInAdministrator } from './people.ts'
import { readLog } from './read-log.ts'
import type { ServerProcess } from './server-process.ts'
import { growTree, revoke, type Shape, type Tree } from './trees.ts'

/** One kill that fell into a revocation high in a tree, or into the tidying below it. */
export interface Cascade {
  readonly database: 'PGlite' | 'PostgreSQL'
  readonly killed: 'server' | 'server and postmaster'
  readonly during: 'revocation' | 'tidying'
  /** What the revocation was after the restart. */
  readonly outcome: 'complete' | 'undone'
  /** From when the server listened again until whoever is below was shown as revoked; undefined where none was. */
  readonly tidiedMs: number | undefined
  readonly faults: readonly string[]
}

/** Deep, so that tidying takes several steps, and not so wide that it takes long to grow. */
const shape: Shape = { links: 8, each: 3 }
/** Rather longer than a revocation takes, so that some kills come before it and some after. */
const killWithinMs = 12
/** What ended is tidied up so soon after a restart, another instance's lease and all. */
const tidiedWithinMs = 5000
/** A kill that fell into neither is repeated; that none ever counts would be a fault of the test. */
const attemptsMax = 20

/** Kills one installation again and again while it revokes; everyone below must then be stopped, or none. */
export class CascadeSeries {
  readonly #database: Cascade['database']
  readonly #ground: Ground | PostgresGround
  #server: ServerProcess

  static async open(database: Cascade['database']): Promise<CascadeSeries> {
    const ground = database === 'PGlite' ? await embeddedGround() : await postgresGround()
    try {
      const server = await ground.start()
      await finishSetup(ground)
      return new CascadeSeries(database, ground, server)
    } catch (error) {
      await ground.close()
      throw error
    }
  }

  private constructor(database: Cascade['database'], ground: Ground, server: ServerProcess) {
    this.#database = database
    this.#ground = ground
    this.#server = server
  }

  close(): Promise<void> {
    return this.#ground.close()
  }

  /** One kill that counts. */
  async run(killed: Cascade['killed'], during: Cascade['during']): Promise<Cascade> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const cascade = await this.#attempt(killed, during)
      if (cascade) return cascade
    }
    throw new Error(`no kill of ${attemptsMax} fell into the ${during}`)
  }

  async #attempt(killed: Cascade['killed'], during: Cascade['during']): Promise<Cascade | undefined> {
    const administrator = await logInAdministrator(this.#ground.url)
    const tree = await growTree(administrator, this.#ground.url, shape)
    const isAnswered = await this.#revokeAndKill(administrator, tree, { killed, during })
    const killedAt = new Date().toISOString()
    await this.#recover(killed)
    const listensAt = performance.now()
    const { faults, outcome } = await this.#judge(tree, isAnswered)
    const tidiedMs = outcome === 'complete' ? await this.#untilTidied(tree, listensAt) : undefined
    if (tidiedMs === undefined) faults.push(...(await this.#findRevoked(tree, outcome)))
    const counts = during === 'revocation' ? !isAnswered : await this.#isTidiedSince(tree, killedAt)
    return counts ? { database: this.#database, killed, during, outcome, tidiedMs, faults } : undefined
  }

  /** Whether the revocation was answered before the kill. */
  async #revokeAndKill(
    administrator: Administrator,
    tree: Tree,
    { killed, during }: Pick<Cascade, 'killed' | 'during'>,
  ): Promise<boolean> {
    const { url } = this.#ground
    const revoking = revoke(administrator, url, tree.high).then(
      () => true,
      () => false,
    )
    if (during === 'revocation') await sleep(Math.random() * killWithinMs)
    else await revoking.then(() => this.#untilFirstTidied(administrator, tree))
    const ends: Promise<unknown>[] = [this.#server.end('SIGKILL')]
    if (killed === 'server and postmaster') ends.push(this.#postgres().kill())
    await Promise.all(ends)
    return revoking
  }

  async #recover(killed: Cascade['killed']): Promise<void> {
    if (killed === 'server and postmaster') await this.#postgres().restart()
    this.#server = await this.#ground.start()
  }

  async #judge(tree: Tree, isAnswered: boolean): Promise<{ faults: string[]; outcome: Cascade['outcome'] }> {
    const administrator = await logInAdministrator(this.#ground.url)
    const ids = [tree.high, ...tree.below].map(({ id }) => id)
    const allowed = await Promise.all(ids.map((id) => isAllowed(administrator, id)))
    const outcome = allowed.includes(true) ? 'undone' : 'complete'
    const faults = allowed.includes(true) && allowed.includes(false) ? ['some below are stopped and some are not'] : []
    if (isAnswered && outcome === 'undone') faults.push('the revocation was answered and is lost')
    if (!(await isAllowed(administrator, tree.root.id))) faults.push('who stands above was stopped too')
    return { faults, outcome }
  }

  /** Waits until the first below is shown as revoked. */
  async #untilFirstTidied(administrator: Administrator, { below: [first] }: Tree): Promise<void> {
    if (!first) throw new Error('nobody is below')
    for (;;) {
      if ((await statusOf(administrator, first.id)) !== 'active') return
      await pause()
    }
  }

  /** Gives when all below were shown as revoked; undefined when some were not in time. */
  async #untilTidied({ below }: Tree, since: number): Promise<number | undefined> {
    const administrator = await logInAdministrator(this.#ground.url)
    for (;;) {
      const statuses = await Promise.all(below.map(({ id }) => statusOf(administrator, id)))
      const lastedMs = performance.now() - since
      if (statuses.every((status) => status === 'revoked')) return lastedMs
      if (lastedMs > tidiedWithinMs) return undefined
      await pause()
    }
  }

  async #findRevoked({ below }: Tree, outcome: Cascade['outcome']): Promise<string[]> {
    if (outcome === 'complete') return [`some below were not tidied up within ${tidiedWithinMs} ms`]
    const administrator = await logInAdministrator(this.#ground.url)
    const statuses = await Promise.all(below.map(({ id }) => statusOf(administrator, id)))
    return statuses.every((status) => status === 'active') ? [] : ['the revocation was undone, and some were tidied up']
  }

  /** Whether something of the tree was tidied up after the kill, so that this fell into the tidying. */
  async #isTidiedSince({ below }: Tree, killedAt: string): Promise<boolean> {
    const { client } = await logInAdministrator(this.#ground.url)
    const { verdict, events } = await readLog(client)
    if (verdict.status !== 'verified') throw new Error(`entry ${verdict.sequence}: ${verdict.fault}`)
    const resources = new Set(below.map(({ id }) => `agent-iam/agents/${id}`))
    const tidied = events.filter(({ type, resource }) => type === 'agent.revoked' && resources.has(resource ?? ''))
    return tidied.some(({ at }) => at > killedAt)
  }

  #postgres() {
    if ('postgres' in this.#ground) return this.#ground.postgres
    throw new Error('only PostgreSQL has a postmaster to kill')
  }
}

async function isAllowed({ client }: Administrator, agentId: `agt_${string}`): Promise<boolean> {
  const body = { agentId, resource: `${allowedPrefix}any`, action: 'read' }
  return (await client.authorization.check({ body })).allowed
}

async function statusOf({ client }: Administrator, agentId: `agt_${string}`): Promise<string> {
  return (await client.agents.get({ params: { agentId } })).status
}
