import { login } from '@agent-iam/contract/auth'
import { setRegistrationSettings } from '@agent-iam/contract/registrations'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginAgent, makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import type { Ground } from './named-paths.ts'
import { pathsOfGrants } from './paths-of-grants.ts'
import { pathsOfAuthorization } from './paths-of-authorization.ts'
import { pathsOfIdentities } from './paths-of-identities.ts'
import { pathsOfLogins } from './paths-of-logins.ts'
import { openServer, password } from './test-server.ts'

/** The path as it is named, and under the other of the two roots. */
function bothRoots(path: string): string[] {
  return path.startsWith('/api/') ? [path, path.slice('/api'.length)] : [path, `/api${path}`]
}

const cases = [...pathsOfLogins, ...pathsOfGrants, ...pathsOfIdentities, ...pathsOfAuthorization].flatMap((row) =>
  bothRoots(row.path).map((path) => [row.source, row.method, path, row] as const),
)

describe.each(databases)('the paths of the requirements on %s', (_name, open) => {
  let ground: Ground

  beforeAll(async () => {
    const server = await openServer(await open())
    const admin = await server.admin()
    await server.api.call(setRegistrationSettings, { body: { selfRegistration: 'approval' }, token: admin })
    const user = await server.user('viewer')
    const agent = await makeAgent(server, admin)
    ground = { server, admin, user, agent, agentToken: '' }
  })
  afterAll(() => ground.server.close())

  test.each(cases)('%s: %s %s', async (_source, method, path, { ask, status, fields }) => {
    // An agent has so many sessions: the table must not run into its limit.
    const { accessToken: agentToken } = await loginAgent(ground.server, ground.agent)
    const { token, query = '', id = '', body } = await ask({ ...ground, agentToken })
    const options = { method, url: path.replace(':id', id) + query }
    const answer = await ground.server.api.raw(
      { ...options, ...(body !== undefined && { payload: JSON.stringify(body) }) },
      { ...(token !== undefined && { token }) },
    )
    expect(answer.status, answer.text).toBe(status)
    expect(JSON.parse(answer.text)).toMatchObject(fields)
  })

  test('a wrong password is 401 on each way in, and a token that is none is 401 on each way to validate', async () => {
    const { server, user } = ground
    const payload = JSON.stringify({ email: user.email, password: 'not this one at all', tenant: user.tenant })
    for (const path of ['/v1/auth/login', '/api/v1/auth/login', '/api/v1/public/login', '/v1/public/login'])
      expect((await server.api.raw({ method: 'POST', url: path, payload }, { from: '198.51.100.7' })).status).toBe(401)
    for (const method of ['GET', 'POST'] as const)
      expect((await server.api.raw({ method, url: '/api/v1/auth/validate' }, { token: 'none' })).status).toBe(401)
    await server.api.call(login, { body: { email: user.email, password, tenant: user.tenant } })
  })
})
