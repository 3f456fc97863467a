// P4: client-credentials tokens, ours against the provider library alone. Each contender keeps what it does in PostgreSQL.
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { freePort } from '../../server/test/free-port.ts'
import { logSizeReader, setUp, startAgentIam } from './agent-iam.ts'
import { figuresOf, offeredShare, race, type Contender, type Figures } from './contender.ts'
import { postForm, postRequest, type Answer } from './http-connection.ts'
import type { Run, Target } from './load.ts'
import { startProgram } from './program.ts'
import { printBudget, printTable, type Entry } from './report.ts'
import type { Settings } from './settings.ts'

const clientCount = 100
const budget = 1.5

export interface TokenFigures {
  /** Signed JWTs; each leaves a session and an event of the audit log. */
  readonly ours: Figures
  /** The library's own kind of token; each leaves a row, which is all that makes it good. */
  readonly opaque: Figures
  /** Signed JWTs, which the library keeps nowhere. */
  readonly jwt: Figures
}

export async function measureTokens(settings: Settings, databaseUrl: string): Promise<TokenFigures> {
  const contenders: Contender[] = []
  const enter = (each: Contender) => {
    contenders.push(each)
    return each
  }
  try {
    const ours = enter(await startOurs(databaseUrl))
    const opaque = enter(await startBare('opaque', databaseUrl))
    const jwt = enter(await startBare('jwt', databaseUrl))
    await race(contenders, settings)
    return { ours: figuresOf(ours), opaque: figuresOf(opaque), jwt: figuresOf(jwt) }
  } finally {
    for (const { stop } of contenders) await stop()
  }
}

export function tokensEntry({ ours, opaque, jwt }: TokenFigures): Entry {
  return {
    value: ours.perSecond,
    unit: 'tokens/s',
    ratio: ours.perSecond / opaque.perSecond,
    p50Ms: ours.p50Ms,
    p99Ms: ours.p99Ms,
    against: 'oidc-provider alone, its tokens on PostgreSQL',
    peer: opaque,
    jwtKeptNowhere: jwt,
  }
}

export function printTokens(figures: TokenFigures, { connections, seconds, rounds }: Settings): void {
  console.log(`
Client-credentials tokens for ${clientCount} clients by secret, ${rounds} rounds of ${seconds} s in turn, ${connections} connections; latency at
${offeredShare * 100} % of saturation. All on one PostgreSQL 15 with fsync on; one process each; all share ${availableParallelism()} cores.
`)
  const rows: Array<[string, Figures]> = [
    ['Agent IAM: RS256 JWT, session and event durable', figures.ours],
    ['oidc-provider: opaque token, durable', figures.opaque],
    ['oidc-provider: RS256 JWT, kept nowhere', figures.jwt],
  ]
  const cells = rows.map(([name, each]) => [
    name,
    each.perSecond.toFixed(0),
    each.rounds.map((round) => round.toFixed(0)).join(' '),
    each === figures.ours ? '' : `× ${(figures.ours.perSecond / each.perSecond).toFixed(2)}`,
    each.p50Ms.toFixed(2),
    each.p99Ms.toFixed(2),
  ])
  printTable(['', 'tokens/s', 'rounds', 'ours is', 'p50 ms', 'p99 ms'], cells)
  printBudget('P4 ratio', figures.ours.perSecond / figures.opaque.perSecond, { atLeast: budget })
}

async function startOurs(databaseUrl: string): Promise<Contender> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-bench-'))
  const server = await startAgentIam(folder, databaseUrl)
  const admin = await setUp(server)
  const logSize = await logSizeReader(server)
  const requests: Buffer[] = []
  for (let n = 0; n < clientCount; n++) requests.push(await makeClient(server.url, admin, n))
  const target = { name: 'Agent IAM', port: server.port, requests, check: checkJwt }
  return {
    ...contender(target),
    prove: (load) => withCounted(logSize, 1, load),
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function makeClient(url: string, token: string, n: number): Promise<Buffer> {
  const service = await create(`${url}/api/v1/services`, token, {
    name: `service ${n}`,
    capabilities: ['file/docs/*:read'],
  })
  const { secret } = await create(`${url}/api/v1/services/${service['serviceId']}/secrets`, token, {})
  return postRequest('/api/v1/auth/token', {
    grant_type: 'client_credentials',
    client_id: service['serviceId'],
    client_secret: secret,
  })
}

async function create(url: string, token: string, body: object): Promise<Record<string, string>> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  if (response.status !== 201) throw new Error(`${url} answers ${response.status} ${await response.text()}`)
  return JSON.parse(await response.text())
}

async function startBare(format: 'opaque' | 'jwt', databaseUrl: string): Promise<Contender> {
  const port = await freePort()
  const url = await ownDatabase(databaseUrl, `bare_${format}`)
  const secrets = Array.from({ length: clientCount }, () => randomBytes(32).toString('base64url'))
  const { stop } = await startProgram({
    command: process.execPath,
    args: ['bare-provider-server.ts', `${port}`, url, format, ...secrets],
    cwd: import.meta.dirname,
    readyUrl: `http://localhost:${port}/.well-known/openid-configuration`,
  })
  const requests = secrets.map((secret, n) =>
    postForm('/token', { grant_type: 'client_credentials', client_id: `client-${n}`, client_secret: secret }),
  )
  const target = { name: `oidc-provider, ${format}`, port, requests, check: format === 'jwt' ? checkJwt : checkOpaque }
  const rows = rowCounter(url)
  return {
    ...contender(target),
    prove: (load) => withCounted(rows.count, format === 'jwt' ? 0 : 1, load),
    async stop() {
      await rows.close()
      await stop()
    },
  }
}

function contender(target: Target) {
  const open = () => Promise.resolve(target)
  return { name: target.name, open, saturated: [], offered: [] }
}

async function ownDatabase(databaseUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  return new URL(name, databaseUrl).href
}

function rowCounter(url: string) {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  const count = async () =>
    (await pool.query<{ count: number }>('select count(*)::int from oidc_payloads')).rows[0]?.count ?? 0
  return { count, close: () => pool.end() }
}

/** Runs load, and throws unless each token left so much behind: an event of ours, a row of the peer that keeps them. */
async function withCounted(count: () => Promise<number>, each: number, load: () => Promise<Run>): Promise<Run> {
  const before = await count()
  const run = await load()
  const written = (await count()) - before
  if (written !== run.answers * each) throw new Error(`${run.answers} tokens left ${written} rows`)
  return run
}

const anyJwt = /"access_token":"[\w-]+\.[\w-]+\.[\w-]{300,}"/
const anyOpaque = /"access_token":"[\w-]{43}"/

function checkJwt(question: number, answer: Answer): void {
  requireToken(anyJwt, question, answer)
}

function checkOpaque(question: number, answer: Answer): void {
  requireToken(anyOpaque, question, answer)
}

function requireToken(pattern: RegExp, question: number, { status, body }: Answer): void {
  if (status !== 200 || !pattern.test(body.toString()))
    throw new Error(`client ${question} is answered ${status} ${body.toString()}`)
}
