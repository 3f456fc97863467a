import { delegateAgent } from '@agent-iam/contract/delegation'
import { attenuate } from '@agent-iam/standards/biscuit/attenuate'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { biscuitLibrary } from '../../src/features/biscuits/library.ts'
import { loginAgent, makeAgent } from '../agents.ts'
import { append, bomb, mintFor } from '../biscuits.ts'
import { databases } from '../databases.ts'
import { openServer, type TestServer } from '../test-server.ts'
import { attack, calmTenant, checkOf, judge, measure, runs, type Measured } from './measure.ts'

const quietMs = 800
const attackedMs = 2_500
const pauseMs = 2_000
const childrenOfOne = 40

describe.each(databases)('Biscuits that take long to evaluate, on %s', (database, open) => {
  let server: TestServer

  beforeAll(async () => {
    server = await openServer(await open())
  })
  afterAll(() => server.close())

  /** Biscuits of the children of one agent, each with a block that does not end. */
  async function hostileBiscuits(): Promise<string[]> {
    const { token } = await server.user('admin')
    const agent = await makeAgent(server, token, ['agent-iam/agents*:delegate', 'file/docs/*:read'])
    const { accessToken } = await loginAgent(server, agent)
    const biscuits: string[] = []
    for (let n = 0; n < childrenOfOne; n++) {
      const body = { name: `${agent.id} ${n}`, capabilities: ['file/docs/*:read'], biscuit: true }
      const { biscuit } = await server.api.call(delegateAgent, { body, token: accessToken })
      biscuits.push(await append(server, biscuit?.token ?? '', bomb))
    }
    return biscuits
  }

  /** An agent of another tenant: its plain token, and an attenuated Biscuit. */
  async function victims(): Promise<{ plain: string; biscuit: string }> {
    const { id, admin } = await calmTenant(server)
    const agent = await makeAgent(server, admin.token, ['file/docs/*:read'])
    const { accessToken } = await loginAgent(server, agent)
    const { token } = await mintFor(server, accessToken)
    const { publicKey } = await server.app.system.keys.signingRootKey(id)
    const library = await biscuitLibrary()
    return { plain: accessToken, biscuit: attenuate(library, token, () => publicKey, { operations: ['read'] }) }
  }

  test(
    'another tenant’s checks stay as fast as they are without the attack, and none fails',
    { timeout: 180_000 },
    async () => {
      const { plain, biscuit } = await victims()
      const send = { plain: checkOf(server, plain), biscuit: checkOf(server, biscuit) }
      for (const each of [send.plain, send.biscuit]) expect((await each()).status).toBe(200)
      const measureBoth = (ms: number) => Promise.all([measure(ms, send.plain), measure(ms, send.biscuit)])
      const quiet: Measured[][] = []
      const attacked: Measured[][] = []
      for (let run = 0; run < runs; run++) {
        const hostile = await hostileBiscuits()
        quiet.push(await measureBoth(quietMs))
        const flood = attack(
          hostile.map((token) => checkOf(server, token)),
          pauseMs,
        )
        attacked.push(await measureBoth(attackedMs))
        await flood.stop()
      }
      for (const [kind, name] of ['plain', 'biscuit'].entries()) {
        const of = (all: Measured[][]) => all.flatMap((each) => each[kind] ?? [])
        const found = judge(`40 hostile Biscuits, ${name} checks, ${database}`, of(quiet), of(attacked))
        expect(found.failures).toEqual([])
        expect(found.attackedMs, `p99 of checks with ${name}`).toBeLessThan(found.boundMs)
      }
    },
  )
})
