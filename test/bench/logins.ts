import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { administratorToken, fill, startAgentIam, targetOf, type AgentIam } from './agent-iam.ts'
import { HttpConnection, postRequest } from './http-connection.ts'
import { askAll, offer, saturate, type Target } from './load.ts'
import type { Settings } from './settings.ts'
import { percentile } from './statistics.ts'
import { makeWorkload } from './workload.ts'

/** Checks with nobody logging in, and beside people who log in as fast as they are answered. */
export interface LoginFigures {
  readonly offeredPerSecond: number
  readonly alone: Latency
  readonly beside: Latency
  readonly loginsPerSecond: number
  /** Logins that were turned away, for a full queue. */
  readonly turnedAway: number
}

export interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
}

export const concurrentLogins = 50
/** Of saturation: what a server has to spare is for others, logins among them. */
export const checkShare = 0.3

const password = 'a long password for the bench'
/** Its hash by bcrypt, as cheap as there is; the first login of each puts an Argon2id hash in its place. */
const passwordHash = '$2b$04$PnpaEGE8hT.hVIwmwhMXXORBZJFHtBJUEA8MDPiZ.LMfwghhd5AFm'

export async function measureLogins(settings: Settings, databaseUrl: string): Promise<LoginFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-bench-'))
  const server = await startAgentIam(folder, databaseUrl)
  try {
    const target = await targetOf(await fill(server, makeWorkload()), 'Agent IAM')
    const people = await importPeople(server)
    await askAll(target, settings.connections)
    const { answers, seconds } = await saturate(target, { ...settings, seed: 1 })
    return await inTurn(settings, { server, target, people, perSecond: (checkShare * answers) / seconds })
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Ground {
  readonly server: AgentIam
  readonly target: Target
  readonly people: readonly string[]
  readonly perSecond: number
}

/** Alone and beside logins in turn, so that what else the machine does meets both alike. */
async function inTurn(settings: Settings, { server, target, people, perSecond }: Ground): Promise<LoginFigures> {
  const [alone, beside]: [number[], number[]] = [[], []]
  const logins = { done: 0, turnedAway: 0, seconds: 0 }
  for (let seed = 1; seed <= settings.rounds; seed++) {
    alone.push(...(await offer(target, { ...settings, seed }, perSecond)).latenciesMs)
    const flood = await startFlood(server, people)
    const run = await offer(target, { ...settings, seed }, perSecond)
    const { done, turnedAway } = await flood.stop()
    beside.push(...run.latenciesMs)
    logins.done += done
    logins.turnedAway += turnedAway
    logins.seconds += run.seconds
  }
  return {
    offeredPerSecond: perSecond,
    alone: latencyOf(alone),
    beside: latencyOf(beside),
    loginsPerSecond: logins.done / logins.seconds,
    turnedAway: logins.turnedAway,
  }
}

function latencyOf(latenciesMs: readonly number[]): Latency {
  return { p50Ms: percentile(latenciesMs, 0.5), p99Ms: percentile(latenciesMs, 0.99) }
}

async function importPeople(server: AgentIam): Promise<string[]> {
  const people = Array.from({ length: concurrentLogins }, (_, n) => `person${n}@example.com`)
  const users = people.map((email) => ({ email, name: email, passwordHash }))
  const authorization = `Bearer ${await administratorToken(server)}`
  const connection = await HttpConnection.open(server.port)
  const { status, body } = await connection.ask(postRequest('/api/v1/users/import', { users }, { authorization }))
  connection.close()
  if (status !== 201) throw new Error(`the import is answered with ${status} ${body.toString()}`)
  const flood = await startFlood(server, people)
  await flood.stop()
  return people
}

/** Everyone logs in again and again, each time from an address of its own, until it is stopped. */
async function startFlood({ port }: AgentIam, people: readonly string[]) {
  const counts = { done: 0, turnedAway: 0 }
  const stopping = new AbortController()
  const connections = await Promise.all(people.map(() => HttpConnection.open(port)))
  const logIn = async (connection: HttpConnection, email: string) => {
    do {
      const { status } = await connection.ask(loginRequest(email))
      if (status !== 200 && status !== 503) throw new Error(`a login is answered with ${status}`)
      counts[status === 200 ? 'done' : 'turnedAway']++
    } while (!stopping.signal.aborted)
  }
  const running = Promise.all(people.map((email, n) => logIn(connections[n] ?? never(), email)))
  return {
    async stop() {
      stopping.abort()
      await running
      for (const connection of connections) connection.close()
      return counts
    },
  }
}

function loginRequest(email: string): Buffer {
  const from = `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`
  return postRequest('/api/v1/auth/login', { email, password }, { 'x-forwarded-for': from })
}

function never(): never {
  throw new Error('there are as many connections as people')
}
