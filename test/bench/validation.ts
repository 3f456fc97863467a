import { openPostgres } from '../../server/test/databases.ts'
import { openServer, type TestServer } from '../../server/test/test-server.ts'
import { printBudget, type Entry } from './report.ts'
import { percentile } from './statistics.ts'

/** Token validation in the process that was asked: what a request costs before the database is asked anything. */
export interface ValidationFigures {
  /** Of a token presented before: its signature is remembered. */
  readonly known: Latencies
  /** Of a token never seen. */
  readonly fresh: Latencies
}

export interface Latencies {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly count: number
}

const budgetMs = 0.2
const tokens = 2000
const rounds = 10
const tokenSeconds = 900

export async function measureValidation(databaseUrl: string): Promise<ValidationFigures> {
  process.env['TEST_DATABASE_URL'] = databaseUrl
  const server = await openServer(await openPostgres())
  try {
    const made = await signTokens(server)
    await requireForgeriesRefused(server, made)
    // The first tokens warm the code; they are remembered, so they are not fresh any more.
    const warm = made.splice(0, tokens / 2)
    await validate(server, warm)
    const fresh = await validate(server, made)
    const known: number[] = []
    for (let round = 0; round < rounds; round++) known.push(...(await validate(server, made)))
    return { known: latenciesOf(known), fresh: latenciesOf(fresh) }
  } finally {
    await server.close()
  }
}

export function printValidation({ known, fresh }: ValidationFigures): void {
  console.log(
    `\nToken validation in process, RS256: ${fresh.count} tokens never seen, then ${known.count} of tokens seen before:\n`,
  )
  console.log(`never seen: p50 ${fresh.p50Ms.toFixed(3)} ms, p99 ${fresh.p99Ms.toFixed(3)} ms`)
  printBudget('P5 p99 ms, token seen before', known.p99Ms, { below: budgetMs })
}

export function validationEntry({ known, fresh }: ValidationFigures): Entry {
  const { p50Ms, p99Ms } = known
  return { value: p99Ms, unit: 'ms', ratio: null, p50Ms, p99Ms, against: `a budget of ${budgetMs} ms`, fresh }
}

async function signTokens({ app: { system, defaultTenantId }, clock }: TestServer): Promise<string[]> {
  const iat = Math.floor(clock.now().getTime() / 1000)
  const issuer = system.keys.issuerOf(defaultTenantId)
  const claims = {
    iss: issuer,
    aud: `${issuer}/api`,
    sub: 'agt_1',
    client_id: 'agt_1',
    sid: 'ses_1',
    tenant: defaultTenantId,
  }
  const made: string[] = []
  for (let index = 0; index < tokens; index++)
    made.push(
      await system.keys.signAccessToken(defaultTenantId, {
        ...claims,
        iat,
        exp: iat + tokenSeconds,
        jti: String(index),
      }),
    )
  return made
}

/** A validation that accepts whatever comes is fast. */
async function requireForgeriesRefused({ app, clock }: TestServer, [token = '']: readonly string[]): Promise<void> {
  const forged = token.slice(0, -8) + (token.at(-8) === 'A' ? 'B' : 'A') + token.slice(-7)
  const isRefused = await app.system.keys.verifyAccessToken(forged, clock.now()).then(
    () => false,
    () => true,
  )
  if (!isRefused) throw new Error('a token with another signature was accepted')
}

/** One after the other: what each takes, not how many can wait at once. */
async function validate({ app, clock }: TestServer, some: readonly string[]): Promise<number[]> {
  const latencies: number[] = []
  for (const token of some) {
    const began = performance.now()
    await app.system.keys.verifyAccessToken(token, clock.now())
    latencies.push(performance.now() - began)
  }
  return latencies
}

export function latenciesOf(latencies: readonly number[]): Latencies {
  return { p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99), count: latencies.length }
}
