import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { Worker } from 'node:worker_threads'
import { bulkCheck, check } from '@agent-iam/contract/authorization'
import { evaluateAll } from '@agent-iam/contract/authzen'
import { bulkIdentities } from '@agent-iam/contract/identities'
import type { Operation } from '@agent-iam/contract/operation'
import { importPolicies } from '@agent-iam/contract/policy-files'
import { putResources } from '@agent-iam/contract/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Attack, Body } from './attack-thread.ts'
import { databases } from './databases.ts'
import { freePort } from './free-port.ts'
import { openServer, type TestServer } from './test-server.ts'

const megabyte = 1_048_576
const runs = 5
const quietMs = 700
const attackedMs = 1_500
/** An attack may take no longer than that from the processor in one turn of the event loop, beside the collector. */
const turnMsMax = 60

/** So many bytes of empty lists, between two texts. */
const lists = (bytes: number, before: string, after: string): Body => ({
  before: `${before}[[]`,
  word: ',[]',
  times: Math.floor(bytes / 3),
  after: `]${after}`,
})
const file = lists(8 * megabyte - 100, '{"cedar":"","x":', '}')
const ends: Body = { before: '{"cedar":"', word: ';', times: 8_000_000, after: '"}' }
type Bodies = ReadonlyArray<readonly [Operation, Body]>
const largest: Bodies = [
  [importPolicies, file],
  [bulkCheck, lists(megabyte - 100, '{"checks":[{"x":', '}]}')],
  [evaluateAll, lists(megabyte - 100, '{"evaluations":', '}')],
  [bulkIdentities, lists(megabyte - 100, '{"items":[{"x":', '}]}')],
  [putResources, lists(4 * megabyte - 200, '{"resources":[{"resource":"a/b","attributes":{"x":', '}}]}')],
]

interface Who {
  readonly port: number
  readonly nobody: undefined
  readonly user: string
  readonly admin: string
}

const whole = (
  count: number,
  token: string | undefined,
  port: number,
  bodies: Bodies = largest.slice(0, 1),
): Attack => ({
  kind: 'whole',
  requests: Array.from({ length: count }, (_, n) => {
    const [operation, body] = bodies[n % bodies.length] ?? [importPolicies, file]
    return { body, head: { method: operation.method, path: operation.path, port, token } }
  }),
})

const attacks: ReadonlyArray<readonly [name: string, attack: (who: Who) => Attack]> = [
  ['15 requests of nobody with 8 MB', ({ port, nobody }) => whole(15, nobody, port)],
  ['15 requests with 8 MB of somebody without rights', ({ port, user }) => whole(15, user, port)],
  ['15 of the largest bodies of somebody without rights', ({ port, user }) => whole(15, user, port, largest)],
  ['15 of the largest bodies of an administrator', ({ port, admin }) => whole(15, admin, port, largest)],
  ['8 MB of ends of policies', ({ port, admin }) => whole(4, admin, port, [[importPolicies, ends]])],
  [
    '60 slow uploads',
    ({ port, user: token }) => {
      const head = { method: 'POST', path: bulkCheck.path, port, token, headers: { 'content-length': megabyte } }
      return { kind: 'slow', head, count: 60, pieces: 6 }
    },
  ],
]

describe.each(databases)('attacks with bodies on %s', (_name, open) => {
  let server: TestServer
  let who: Who
  let victim: string
  let attacker: Worker
  const connections = new Agent({ keepAlive: true, maxSockets: 4 })
  beforeAll(async () => {
    const port = await freePort()
    server = await openServer(await open(), { address: `http://localhost:${port}` })
    await server.app.http.listen({ port, host: '127.0.0.1' })
    victim = (await server.tenant('victim')).admin.token
    who = { port, nobody: undefined, user: (await server.user()).token, admin: await server.admin() }
    attacker = new Worker(new URL('./attack-thread.ts', import.meta.url))
    await measure(quietMs)
  })
  afterAll(async () => {
    connections.destroy()
    await attacker.terminate()
    await server.close()
  })

  /** How long one check of the victim takes, in milliseconds, and its status. */
  function checkOnce(): Promise<{ ms: number; status: number | undefined }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ ms: number; status: number | undefined }>()
    const began = performance.now()
    const headers = {
      host: `localhost:${who.port}`,
      authorization: `Bearer ${victim}`,
      'content-type': 'application/json',
    }
    const options = { agent: connections, host: '127.0.0.1', port: who.port, path: check.path, method: 'POST', headers }
    const sent = request(options, (response) => {
      response.resume().on('end', () => resolve({ ms: performance.now() - began, status: response.statusCode }))
    })
    sent.on('error', reject).end(JSON.stringify({ resource: 'file/a', action: 'read' }))
    return promise
  }

  async function measure(forMs: number): Promise<{ p99: number; perSecond: number; statuses: Set<unknown> }> {
    const until = performance.now() + forMs
    const times: number[] = []
    const statuses = new Set<unknown>()
    while (performance.now() < until) {
      const { ms, status } = await checkOnce()
      times.push(ms)
      statuses.add(status)
    }
    const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0
    return { p99, perSecond: (times.length * 1000) / forMs, statuses }
  }

  /** The processor's time of the busiest turn of the event loop: other processes on the machine do not count. */
  function watchTurns(): () => number {
    let busiest = 0
    let before = cpuMs()
    const timer = setInterval(() => {
      const now = cpuMs()
      busiest = Math.max(busiest, now - before)
      before = now
    }, 1)
    return () => {
      clearInterval(timer)
      return busiest
    }
  }

  test.each(attacks)(
    '%s do not slow down another tenant',
    async (name, attack) => {
      const found: Found = { quiet: [], attacked: [], perSecond: [], turn: [] }
      for (let run = 0; run < runs; run++) {
        found.quiet.push((await measure(quietMs)).p99)
        const busiestTurn = watchTurns()
        const done = once(attacker, 'message')
        attacker.postMessage(attack(who))
        const { p99, perSecond, statuses } = await measure(attackedMs)
        found.turn.push(busiestTurn())
        found.attacked.push(p99)
        found.perSecond.push(perSecond)
        await done
        expect([...statuses]).toEqual([200])
      }
      report(name, found)
      expect(median(found.turn)).toBeLessThan(turnMsMax)
      expect(median(found.attacked)).toBeLessThan(Math.max(50, 3 * median(found.quiet)))
    },
    120_000,
  )
})

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** What was measured, one number for each run. */
interface Found {
  readonly quiet: number[]
  readonly attacked: number[]
  readonly perSecond: number[]
  readonly turn: number[]
}

/** With `SHOW_FIGURES` the medians of the runs. */
function report(name: string, found: Found): void {
  if (process.env['SHOW_FIGURES'] === undefined) return
  const figures = Object.entries(found).map(
    ([what, values]: [string, number[]]) => `${what} ${median(values).toFixed(1)}`,
  )
  process.stderr.write(`${name}: ${figures.join(', ')}\n`)
}
