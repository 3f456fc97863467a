import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { revokeAgent } from '@agent-iam/contract/agent-life'
import { delegateAgent } from '@agent-iam/contract/delegation'
import { call } from '@agent-iam/sdk'
import pg from 'pg'
import { setUp, startAgentIam, type AgentIam } from './agent-iam.ts'
import { getRequest, HttpConnection, postRequest, type Answer } from './http-connection.ts'
import { saturate, type Target } from './load.ts'
import { printTable, type Entry } from './report.ts'
import type { Settings } from './settings.ts'
import { percentile } from './statistics.ts'
import { plantBelow } from './tree-rows.ts'

/** A tree of delegated agents: what it costs to make, to look up, to decide in, and to end. */
export interface TreeFigures {
  readonly creates: { readonly count: number; readonly perSecond: number } & Latency
  readonly depths: readonly DepthFigures[]
  readonly revocations: readonly Revocation[]
  readonly tidying: { readonly agents: number; readonly seconds: number; readonly isDone: boolean }
}

interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
}

interface DepthFigures {
  readonly depth: number
  readonly lookUp: Latency
  readonly checks: Latency & { readonly perSecond: number }
}

/** How long the answer took that stopped so many. */
interface Revocation {
  readonly below: number
  readonly answerMs: number
}

const agentsMax = 100_000
const depthMax = 10
const depthsMeasured = [1, 5, 10]
/** So many are made through the API, for the rate; the rest are rows, since all would take the better part of an hour. */
const createsMeasured = 2000
const lookUps = 500
/** What is not tidied up by then is told as it is. */
const tidyingMsMax = 240_000
const held = ['file/docs/*:read', 'agent-iam/agents*:delegate']

interface Member {
  readonly agentId: `agt_${string}`
  readonly token: string
}

/** Who asks, and a line of agents from just below the administrator down to the last link. */
interface Ground {
  readonly server: AgentIam
  readonly admin: string
  readonly line: readonly Member[]
}

export async function measureTree(settings: Settings, databaseUrl: string): Promise<TreeFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-bench-'))
  const server = await startAgentIam(folder, databaseUrl)
  const database = new pg.Client({ connectionString: databaseUrl })
  await database.connect()
  try {
    const admin = await setUp(server)
    const ground = { server, admin, line: await makeLine(server, admin) }
    const creates = await measureCreates(ground, settings)
    await plantBelow(database, ground.line[0]?.agentId ?? '', agentsMax - createsMeasured - depthMax)
    const depths: DepthFigures[] = []
    for (const depth of depthsMeasured) depths.push(await measureDepth(ground, depth, settings))
    const small = await measureRevocation(ground, 5)
    const began = performance.now()
    const whole = await measureRevocation(ground, 1)
    return { creates, depths, revocations: [small, whole], tidying: await measureTidying(database, began) }
  } finally {
    await database.end()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function makeLine({ url: server }: AgentIam, admin: string): Promise<Member[]> {
  const line: Member[] = []
  for (let depth = 1; depth <= depthMax; depth++) {
    const lender = line.at(-1)?.token ?? admin
    const body = { name: `link ${depth}`, capabilities: held }
    const { agentId, token } = await call({ server, token: lender }, delegateAgent, { body })
    line.push({ agentId, token: token.accessToken })
  }
  return line
}

/** Children of everyone who may have some, one at a time on each connection. */
async function measureCreates({ server, line }: Ground, { connections }: Settings): Promise<TreeFigures['creates']> {
  const lenders = line.slice(0, -1)
  const latenciesMs: number[] = []
  let next = 0
  const began = performance.now()
  await overConnections(server.port, connections, async (connection) => {
    for (let number = next++; number < createsMeasured; number = next++) {
      const lender = lenders[number % lenders.length]?.token ?? ''
      const body = { name: `child ${number}`, capabilities: held }
      const sentAt = performance.now()
      requireStatus(201, await connection.ask(postRequest('/api/v1/delegations', body, bearer(lender))))
      latenciesMs.push(performance.now() - sentAt)
    }
  })
  const perSecond = (createsMeasured * 1000) / (performance.now() - began)
  return { count: createsMeasured, perSecond, ...latencyOf(latenciesMs) }
}

async function measureDepth({ server, admin, line }: Ground, depth: number, settings: Settings): Promise<DepthFigures> {
  const member = line[depth - 1]
  if (!member) throw new Error(`nobody is at depth ${depth}`)
  const path = `/api/v1/identities/${member.agentId}/delegation-chain`
  const lookUp = await timeEach(server.port, lookUps, getRequest(path, bearer(admin)))
  const { answers, seconds, latenciesMs } = await saturate(checksOf(server, member), { ...settings, seed: depth })
  return { depth, lookUp, checks: { perSecond: answers / seconds, ...latencyOf(latenciesMs) } }
}

const allowed = Buffer.from('"allowed":true')
const distinctChecks = 100

function checksOf({ port }: AgentIam, { token }: Member): Target {
  const ask = (n: number) =>
    postRequest('/api/v1/authz/check', { resource: `file/docs/${n}`, action: 'read' }, bearer(token))
  return {
    name: 'Agent IAM',
    port,
    requests: Array.from({ length: distinctChecks }, (_, n) => ask(n)),
    check(_question, answer) {
      requireStatus(200, answer)
      if (!answer.body.includes(allowed)) throw new Error(`a descendant is answered ${answer.body.toString()}`)
    },
  }
}

/** Throws unless the deepest of the line is stopped as soon as the answer is there. */
async function measureRevocation({ server, admin, line }: Ground, depth: number): Promise<Revocation> {
  const agentId = line[depth - 1]?.agentId ?? 'agt_'
  const last = line.at(-1)?.token ?? ''
  const sentAt = performance.now()
  const { stoppedDescendants: below } = await call({ server: server.url, token: admin }, revokeAgent, {
    params: { agentId },
    body: { reason: 'a measurement' },
  })
  const answerMs = performance.now() - sentAt
  const connection = await HttpConnection.open(server.port)
  requireStatus(401, await connection.ask(getRequest('/api/v1/auth/validate', bearer(last))))
  connection.close()
  return { below, answerMs }
}

const tidyingPollMs = 250

async function measureTidying(database: pg.Client, began: number): Promise<TreeFigures['tidying']> {
  const count = async () => {
    const { rows } = await database.query<{ live: string }>(
      `select count(*) as live from identities where parent_id is not null and status = 'active'`,
    )
    return Number(rows[0]?.live)
  }
  let live = await count()
  const agents = live
  while (live > 0 && performance.now() - began < tidyingMsMax) {
    await sleep(tidyingPollMs)
    live = await count()
  }
  return { agents: agents - live, seconds: (performance.now() - began) / 1000, isDone: live === 0 }
}

export function printTree({ creates, depths, revocations, tidying }: TreeFigures, settings: Settings): void {
  console.log(`
Tree: ${agentsMax} agents below one, ${depthMax} links deep, on PostgreSQL, all on ${availableParallelism()} cores. ${creates.count} were made through the API
by ${settings.connections} connections, each with its session, tokens and event: ${creates.perSecond.toFixed(0)}/s, p50 ${creates.p50Ms.toFixed(1)} ms, p99 ${creates.p99Ms.toFixed(1)} ms. The rest are rows put in by SQL.
`)
  const rows = depths.map(({ depth, lookUp, checks }) => [
    `${depth}`,
    lookUp.p50Ms.toFixed(2),
    lookUp.p99Ms.toFixed(2),
    checks.perSecond.toFixed(0),
    checks.p50Ms.toFixed(2),
    checks.p99Ms.toFixed(2),
  ])
  printTable(['depth', 'chain p50 ms', 'chain p99 ms', 'checks/s', 'check p50 ms', 'check p99 ms'], rows)
  for (const { below, answerMs } of revocations)
    console.log(
      `revoking one with ${below} below it was answered after ${answerMs.toFixed(0)} ms, and stopped them all`,
    )
  const { agents, seconds, isDone } = tidying
  console.log(`${isDone ? 'all' : 'of them,'} ${agents} were tidied up within ${seconds.toFixed(1)} s`)
}

export function treeEntry({ creates, ...more }: TreeFigures): Entry {
  const { perSecond: value, p50Ms, p99Ms } = creates
  return { value, unit: 'agents/s', ratio: null, p50Ms, p99Ms, against: 'nothing', ...more }
}

async function timeEach(port: number, count: number, request: Buffer): Promise<Latency> {
  const latenciesMs: number[] = []
  const connection = await HttpConnection.open(port)
  for (let each = 0; each < count; each++) {
    const sentAt = performance.now()
    requireStatus(200, await connection.ask(request))
    latenciesMs.push(performance.now() - sentAt)
  }
  connection.close()
  return latencyOf(latenciesMs)
}

async function overConnections(port: number, count: number, work: (connection: HttpConnection) => Promise<void>) {
  const connections = await Promise.all(Array.from({ length: count }, () => HttpConnection.open(port)))
  await Promise.all(connections.map(work))
  for (const connection of connections) connection.close()
}

function requireStatus(wanted: number, { status, body }: Answer): void {
  if (status !== wanted) throw new Error(`answered with ${status} instead of ${wanted}: ${body.toString()}`)
}

function latencyOf(latenciesMs: readonly number[]): Latency {
  return { p50Ms: percentile(latenciesMs, 0.5), p99Ms: percentile(latenciesMs, 0.99) }
}

function bearer(token: string) {
  return { authorization: `Bearer ${token}` }
}
