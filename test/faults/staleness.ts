import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { freePort } from '../../server/test/free-port.ts'
import { startRedis, type TestRedis } from '../../server/test/redis.ts'
import { percentile } from '../bench/statistics.ts'
import { takeOutEpochCheck } from './epoch-check.ts'
import { type PostgresGround, postgresGround } from './ground.ts'
import { Load } from './load.ts'
import { type Administrator, finishSetup, logInAdministrator } from './people.ts'
import { type LoggedEvent, readLog } from './read-log.ts'
import type { ServerProcess } from './server-process.ts'
import { chainShape, growTree, revoke, type Tree } from './trees.ts'
import { Validations } from './validations.ts'

/** What the log says of trees that were revoked at one server while another decided about them. */
export interface Staleness {
  readonly revocations: number
  /** Decisions about whoever was below. */
  readonly decisions: number
  /** How many revocations fell upon a server that was just allowing. */
  readonly underLoad: number
  /** Allows that the log holds after the revocation above them. */
  readonly staleAllows: number
}

/** From the answer to a revocation at one server until another last accepted what it took away; 0 where that was before. */
export interface LastUse {
  readonly decisionMs: readonly number[]
  readonly validationMs: readonly number[]
}

/** In words: the goal is for decisions, what is plainly validated may lag a second. */
export function tellLastUse({ decisionMs, validationMs }: LastUse): string {
  const tell = (times: readonly number[]) =>
    [0.5, 0.99, 1].map(
      (share) => `${share === 1 ? 'max' : `p${share * 100}`} ${percentile(times, share).toFixed(0)} ms`,
    )
  return `revoked at A → last accepted at B, ${decisionMs.length} times: decisions ${tell(decisionMs).join(', ')}; validations ${tell(validationMs).join(', ')}`
}

/** So many answers go before each revocation, and so many come after it, as good as all by id. */
const before = 160
const after = 60
const askedById = 4
/** Longer than plain validation may lag (DESIGN D13). */
const afterMs = 1200
/** Rather less than a token lasts. */
const adminMs = 600_000
const lateProgram = fileURLToPath(new URL('late-server.ts', import.meta.url))

/** Two servers on one PostgreSQL and one Redis: agents high in trees are revoked at A, and used at B. */
export class StalenessSeries {
  readonly #ground: PostgresGround
  readonly #redis: TestRedis
  readonly #portOfB: string
  #b: ServerProcess | undefined
  #administrator: Administrator | undefined
  #loggedInAt = 0

  static async open(): Promise<StalenessSeries> {
    const redis = await startRedis()
    const ground = await postgresGround({ REDIS_URL: redis.url })
    const series = new StalenessSeries(ground, redis, String(await freePort()))
    await ground.start()
    await finishSetup(ground)
    return series
  }

  private constructor(ground: PostgresGround, redis: TestRedis, portOfB: string) {
    this.#ground = ground
    this.#redis = redis
    this.#portOfB = portOfB
  }

  async close(): Promise<void> {
    await this.#ground.close()
    await this.#redis.stop()
  }

  /** Revokes until so many decisions about those below are in the log; B takes its time from deciding to recording. */
  async findStale(decisionsMin: number): Promise<Staleness> {
    await this.#startB(lateProgram)
    const trees: Tree[] = []
    for (let decisions = 0; decisions < decisionsMin;) {
      const tree = await this.#grow()
      trees.push(tree)
      decisions += await this.#revokeUnderLoad(tree)
    }
    const { verdict, events } = await readLog((await this.#admin()).client)
    if (verdict.status !== 'verified') throw new Error(`entry ${verdict.sequence}: ${verdict.fault}`)
    return judge(trees, events)
  }

  /** How long what was revoked is still accepted at B, a server as it is. */
  async timeLastUses(revocations: number): Promise<LastUse> {
    await this.#startB()
    const uses: { decisionMs: number[]; validationMs: number[] } = { decisionMs: [], validationMs: [] }
    for (let number = 0; number < revocations; number++) {
      const { decisionMs, validationMs } = await this.#timeLastUse(await this.#grow())
      uses.decisionMs.push(decisionMs)
      uses.validationMs.push(validationMs)
    }
    return uses
  }

  /** Lets the database append what was decided under an older epoch; gives what undoes it. */
  takeOutEpochCheck(): Promise<() => Promise<void>> {
    return takeOutEpochCheck((sql) => this.#asOwner(sql))
  }

  /** Gives how many decisions there were. */
  async #revokeUnderLoad(tree: Tree): Promise<number> {
    const load = await this.#load(tree)
    await load.more(before)
    await revoke(await this.#admin(), this.#ground.url, tree.high)
    await load.more(after)
    await load.stop()
    if (load.surprises.length > 0) throw new Error(load.surprises.join('\n'))
    return load.acknowledged.length
  }

  async #timeLastUse(tree: Tree): Promise<{ decisionMs: number; validationMs: number }> {
    const load = await this.#load(tree)
    const shown = tree.below.slice(-2).map(({ token }) => token)
    const validations = new Validations(this.#urlOfB, shown)
    await load.more(before)
    await revoke(await this.#admin(), this.#ground.url, tree.high)
    const answeredAt = performance.now()
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    await Promise.all([load.stop(), validations.stop()])
    const allowedAt = load.acknowledged.filter(({ decision }) => decision === 'allow').map((each) => each.answeredAt)
    if (validations.refusals.size === 0) throw new Error('what was revoked is still accepted')
    const since = (times: readonly number[]) => Math.max(0, last(times) - answeredAt)
    return { decisionMs: since(allowedAt), validationMs: since(validations.acceptedAt) }
  }

  /** Those below ask with tokens of their own, and an administrator asks about the last of them by their ids. */
  async #load({ below }: Tree): Promise<Load> {
    const { token } = await this.#admin()
    const url = this.#urlOfB
    const own = below.map((member) => ({ url, token: member.token }))
    const about = below.slice(-askedById).map(({ id: agentId }) => ({ url, token, agentId }))
    return new Load([...own, ...about])
  }

  async #grow(): Promise<Tree> {
    return growTree(await this.#admin(), this.#ground.url, chainShape)
  }

  async #startB(program?: string): Promise<void> {
    await this.#b?.end('SIGTERM')
    this.#b = await this.#ground.start({ program, environment: { AGENT_IAM_PORT: this.#portOfB } })
  }

  /** A token lasts a quarter of an hour, and a long series longer. */
  async #admin(): Promise<Administrator> {
    if (performance.now() > this.#loggedInAt + adminMs) this.#administrator = undefined
    if (this.#administrator) return this.#administrator
    this.#loggedInAt = performance.now()
    return (this.#administrator = await logInAdministrator(this.#ground.url))
  }

  get #urlOfB(): string {
    return `http://localhost:${this.#portOfB}`
  }

  async #asOwner(sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.#ground.postgres.url })
    await client.connect()
    const { rows } = await client.query<Record<string, unknown>>(sql)
    await client.end()
    return rows
  }
}

/** Reads the log in its order: what is below is stopped from the entry on that revokes what is above it. */
function judge(trees: readonly Tree[], events: readonly LoggedEvent[]): Staleness {
  const treeOf = new Map<string, Tree>(trees.flatMap((tree) => tree.below.map(({ id }) => [id, tree])))
  const byHigh = new Map<string, Tree>(trees.map((tree) => [`agent-iam/agents/${tree.high.id}`, tree]))
  const allowing = new Set<Tree>()
  const revoked = new Set<Tree>()
  const found = { decisions: 0, underLoad: 0, staleAllows: 0 }
  for (const { type, resource, decision, chain } of events) {
    const ended = type === 'agent.revoked' ? byHigh.get(resource ?? '') : undefined
    if (ended) revoked.add(ended)
    if (ended && allowing.has(ended)) found.underLoad++
    const tree = type === 'decision.made' ? treeOf.get(chain.at(-1) ?? '') : undefined
    if (!tree) continue
    found.decisions++
    if (decision !== 'allow') continue
    allowing.add(tree)
    if (revoked.has(tree)) found.staleAllows++
  }
  return { revocations: revoked.size, ...found }
}

function last(times: readonly number[]): number {
  return times.at(-1) ?? Number.NaN
}
