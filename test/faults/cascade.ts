import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { getDescendants, type TreeNode } from '@agent-iam/contract/delegation'
import { call } from '@agent-iam/sdk'
import { drawnOutMs, revokedMark, revokingMark } from './drawn-out.ts'
import { embeddedGround, type Ground, type PostgresGround, postgresGround } from './ground.ts'
import { pause } from './load.ts'
import { type Administrator, allowedPrefix, finishSetup, logInAdministrator } from './people.ts'
import { readLog } from './read-log.ts'
import type { ServerProcess } from './server-process.ts'
import { growTree, revoke, type Shape, type Tree } from './trees.ts'

/**
 * One kill that fell into a revocation high in a tree: into its transaction, between its commit and its answer, or into
 * the tidying afterwards.
 */
export interface Cascade {
  readonly database: 'PGlite' | 'PostgreSQL'
  readonly killed: 'server' | 'server and postmaster'
  readonly during: 'transaction' | 'answer' | 'tidying'
  /** What the revocation was after the restart. */
  readonly outcome: 'complete' | 'undone'
  /** From when the server listened again until whoever is below was shown as revoked; undefined where none was. */
  readonly tidiedMs: number | undefined
  readonly faults: readonly string[]
}

/** Deep, so that tidying takes several steps, and not so wide that it takes long to grow. */
const shape: Shape = { links: 8, each: 3 }
const drawnOutProgram = fileURLToPath(new URL('drawn-out-server.ts', import.meta.url))
const markPollMs = 2
/** The job promises five seconds; the machine may be busy with other tests. */
const tidiedWithinMs = 20_000
const tidiedPollMs = 100
/** A kill that fell into neither is repeated; that none ever counts would be a fault of the test. */
/** Well within the quarter of an hour that an access token lives. */
const tokenUsedMs = 600_000
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

  #login: { readonly at: number; readonly administrator: Administrator } | undefined

  private constructor(database: Cascade['database'], ground: Ground, server: ServerProcess) {
    this.#database = database
    this.#ground = ground
    this.#server = server
  }

  close(): Promise<void> {
    return this.#ground.close()
  }

  /** Again only when the token is about to end: logins from one address are limited. */
  async #logIn(): Promise<Administrator> {
    const now = performance.now()
    if (!this.#login || now - this.#login.at > tokenUsedMs)
      this.#login = { at: now, administrator: await logInAdministrator(this.#ground.url) }
    return this.#login.administrator
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
    const administrator = await this.#logIn()
    const tree = await growTree(administrator, this.#ground.url, shape)
    if (during !== 'tidying') await this.#drawOut()
    const revoking = revoke(administrator, this.#ground.url, tree.high).then(
      () => true,
      () => false,
    )
    if (during === 'tidying') await revoking.then(() => this.#untilFirstTidied(administrator, tree))
    else await this.#untilSaid(during === 'transaction' ? revokingMark : revokedMark)
    await this.#kill(killed)
    const killedAt = new Date().toISOString()
    const isAnswered = await revoking
    await this.#recover(killed)
    const listensAt = performance.now()
    const { faults, outcome } = await this.#judge(tree)
    if (outcome === 'undone' && during !== 'transaction') faults.push('the revocation was committed and is lost')
    const tidiedMs = outcome === 'complete' ? await this.#untilTidied(tree, listensAt) : undefined
    if (tidiedMs === undefined) faults.push(...(await this.#findRevoked(tree, outcome)))
    const counts = during === 'tidying' ? await this.#isTidiedSince(tree, killedAt) : !isAnswered
    return counts ? { database: this.#database, killed, during, outcome, tidiedMs, faults } : undefined
  }

  async #drawOut(): Promise<void> {
    await this.#server.end('SIGTERM')
    this.#server = await this.#ground.start({ program: drawnOutProgram })
  }

  /** Waits for the server to come there, and a part of the time that it stays. */
  async #untilSaid(mark: string): Promise<void> {
    while (!this.#server.said().includes(mark)) await sleep(markPollMs)
    await sleep(Math.random() * 0.8 * drawnOutMs)
  }

  async #kill(killed: Cascade['killed']): Promise<void> {
    const ends: Promise<unknown>[] = [this.#server.end('SIGKILL')]
    if (killed === 'server and postmaster') ends.push(this.#postgres().kill())
    await Promise.all(ends)
  }

  async #recover(killed: Cascade['killed']): Promise<void> {
    if (killed === 'server and postmaster') await this.#postgres().restart()
    this.#server = await this.#ground.start()
  }

  async #judge(tree: Tree): Promise<{ faults: string[]; outcome: Cascade['outcome'] }> {
    const administrator = await this.#logIn()
    const ids = [tree.high, ...tree.below].map(({ id }) => id)
    const allowed = await Promise.all(ids.map((id) => isAllowed(administrator, id)))
    const outcome = allowed.includes(true) ? 'undone' : 'complete'
    const faults = allowed.includes(true) && allowed.includes(false) ? ['some below are stopped and some are not'] : []
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
  async #untilTidied(tree: Tree, since: number): Promise<number | undefined> {
    const administrator = await this.#logIn()
    for (;;) {
      const statuses = await this.#statusesBelow(administrator, tree)
      const lastedMs = performance.now() - since
      if (statuses.every((status) => status === 'revoked')) return lastedMs
      if (lastedMs > tidiedWithinMs) return undefined
      await sleep(tidiedPollMs)
    }
  }

  async #findRevoked(tree: Tree, outcome: Cascade['outcome']): Promise<string[]> {
    if (outcome === 'complete') return [`some below were not tidied up within ${tidiedWithinMs} ms`]
    const administrator = await this.#logIn()
    const statuses = await this.#statusesBelow(administrator, tree)
    return statuses.every((status) => status === 'active') ? [] : ['the revocation was undone, and some were tidied up']
  }

  async #statusesBelow({ token }: Administrator, { high, below }: Tree): Promise<string[]> {
    const params = { identityId: high.id }
    const { total, tree } = await call({ server: this.#ground.url, token }, getDescendants, { params })
    if (total !== below.length) throw new Error(`${total} are below instead of ${below.length}`)
    return tree.children.flatMap(statusesOf)
  }

  /** Whether something of the tree was tidied up after the kill, so that this fell into the tidying. */
  async #isTidiedSince({ below }: Tree, killedAt: string): Promise<boolean> {
    const { client } = await this.#logIn()
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

function statusesOf({ status, children }: TreeNode): string[] {
  return [status, ...children.flatMap(statusesOf)]
}

async function isAllowed({ client }: Administrator, agentId: `agt_${string}`): Promise<boolean> {
  const body = { agentId, resource: `${allowedPrefix}any`, action: 'read' }
  return (await client.authorization.check({ body })).allowed
}

async function statusOf({ client }: Administrator, agentId: `agt_${string}`): Promise<string> {
  return (await client.agents.get({ params: { agentId } })).status
}
