import { bulkCheck } from '@agent-iam/contract/authorization'
import { evaluateAll } from '@agent-iam/contract/authzen'
import { bulkIdentities } from '@agent-iam/contract/identities'
import type { Operation } from '@agent-iam/contract/operation'
import { importPolicies } from '@agent-iam/contract/policy-files'
import { putResources } from '@agent-iam/contract/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../databases.ts'
import type { Attack, Body } from './attack-thread.ts'
import { Attacker } from './attacker.ts'
import { checkOf, judge, measure, median, runs, watchTurns, type Measured } from './measure.ts'

const megabyte = 1_048_576
const quietMs = 500
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

describe.each(databases)('attacks with bodies on %s', (database, open) => {
  let attacker: Attacker
  let who: Who
  let victim: string
  beforeAll(async () => {
    attacker = await Attacker.open(await open())
    const { server, port } = attacker
    victim = (await server.tenant('victim')).admin.token
    who = { port, nobody: undefined, user: (await server.user()).token, admin: await server.admin() }
    await measure(quietMs, checkOf(server, victim))
  })
  afterAll(() => attacker.close())

  test.each(attacks)('%s do not slow down another tenant', { timeout: 120_000 }, async (name, attack) => {
    const ask = checkOf(attacker.server, victim)
    const quiet: Measured[] = []
    const attacked: Measured[] = []
    const turns: number[] = []
    for (let run = 0; run < runs; run++) {
      quiet.push(await measure(quietMs, ask))
      const busiestTurn = watchTurns()
      const done = attacker.run(attack(who))
      attacked.push(await measure(attackedMs, ask))
      turns.push(busiestTurn())
      await done
    }
    const found = judge(`${name}, ${database}`, quiet, attacked)
    expect(found.failures).toEqual([])
    expect(median(turns)).toBeLessThan(turnMsMax)
    expect(found.attackedMs).toBeLessThan(found.boundMs)
  })
})
