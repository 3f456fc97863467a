import { refresh, validate } from '@agent-iam/contract/auth'
import {
  chooseSigningAlgorithm,
  listSigningKeys,
  revokeSigningKey,
  rotateSigningKeys,
} from '@agent-iam/contract/signing-keys'
import { jwks } from '@agent-iam/contract/system'
import { decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { databases, type TestDatabase } from './databases.ts'
import { readProblem } from './test-api.ts'
import { openServer, type TestServer } from './test-server.ts'

const clients = 6
const turns = 10
/** Between two changes, so that tokens of each key are in use when the next takes over. */
const pauseMs = 500

interface Tally {
  logins: number
  refreshes: number
  accepted: number
  /** Of a token whose key had been revoked, or was being revoked meanwhile. */
  refusedOfRevoked: number
  /** Accepted after its key’s revocation was acknowledged. */
  staleAccepts: number
  readonly kids: Set<string>
  /** What should never have happened. */
  readonly surprises: string[]
}

describe.each(databases)('keys that change under load on %s', (_name, open) => {
  let database: TestDatabase
  let server: TestServer
  let other: TestServer
  let agents: TestAgent[]
  let admin: string

  beforeAll(async () => {
    database = await open()
    server = await openServer(database)
    // The embedded database is for one process.
    other = database.kind === 'PGlite' ? server : await server.beside()
    admin = await server.admin()
    agents = []
    for (let index = 0; index < clients; index++) agents.push(await makeAgent(server, admin))
    await server.app.tend()
  })
  afterAll(async () => {
    await server.close()
  })

  test('no token of a key that lives is refused, and none of a revoked one accepted', async () => {
    const revoking = new Set<string>()
    const revoked = new Set<string>()
    const tally: Tally = {
      logins: 0,
      refreshes: 0,
      accepted: 0,
      refusedOfRevoked: 0,
      staleAccepts: 0,
      kids: new Set(),
      surprises: [],
    }
    const driver = { isOver: false }
    const running = agents.map((agent, index) => keepBusy(agent, index))
    await changeKeys()
    driver.isOver = true
    await Promise.all(running)

    expect(tally.surprises).toEqual([])
    expect(tally.staleAccepts).toBe(0)
    expect(tally.kids.size).toBeGreaterThan(5)
    expect(tally.refusedOfRevoked).toBeGreaterThan(0)
    expect(tally.accepted).toBeGreaterThan(100)
    const published = (await other.api.call(jwks)).keys.map(({ kid }) => kid)
    for (const kid of revoked) expect(published).not.toContain(kid)

    /** Logs in, shows its token to both servers, refreshes at the one or the other, again and again. */
    async function keepBusy(agent: TestAgent, index: number): Promise<void> {
      const near = index % 2 === 0 ? server : other
      while (!driver.isOver) {
        let { accessToken, refreshToken } = await loginAgent(near, agent)
        tally.logins++
        for (let round = 0; round < 5; round++) {
          for (const each of [server, other]) await show(each, accessToken)
          const next = await (round % 2 === 0 ? other : server).api.call(refresh, { body: { refreshToken } })
          ;({ accessToken, refreshToken } = next)
          tally.refreshes++
        }
      }
    }

    async function show(each: TestServer, token: string): Promise<void> {
      const kid = String(decodeProtectedHeader(token).kid)
      tally.kids.add(kid)
      const wasRevoked = revoked.has(kid)
      const answer = await each.api.send(validate, { token })
      if (answer.status === 200) {
        tally.accepted++
        if (wasRevoked) tally.staleAccepts++
      } else if (revoking.has(kid) && readProblem(answer).code === 'invalid-token') tally.refusedOfRevoked++
      else tally.surprises.push(answer.text)
    }

    /** Rotates both algorithms by turns, from both servers, and revokes every third key while it signs. */
    async function changeKeys(): Promise<void> {
      for (let turn = 0; turn < turns; turn++) {
        const each = turn % 2 === 0 ? server : other
        const algorithm = turn % 4 < 2 ? ('RS256' as const) : ('EdDSA' as const)
        await each.api.call(chooseSigningAlgorithm, { body: { algorithm }, token: admin })
        if (turn % 3 === 2) await revokeActive(each, algorithm)
        else await each.api.call(rotateSigningKeys, { body: { algorithm, immediately: true }, token: admin })
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
    }

    async function revokeActive(each: TestServer, algorithm: string): Promise<void> {
      const { signingKeys } = await each.api.call(listSigningKeys, { token: admin })
      const active = signingKeys.find((key) => key.state === 'active' && key.algorithm === algorithm)
      if (!active) throw new Error(`no ${algorithm} key signs`)
      revoking.add(active.keyId)
      await each.api.call(revokeSigningKey, { params: { keyId: active.keyId }, token: admin })
      revoked.add(active.keyId)
      // The administrator's own token may have been one of them.
      admin = await each.admin()
    }
  }, 120_000)
})
