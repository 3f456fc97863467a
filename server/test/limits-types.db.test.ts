import { check } from '@agent-iam/contract/authorization'
import * as contract from '@agent-iam/contract/limits'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

const runs = 40

describe.each(databases)('limits on types of resources, on %s', (_name, open) => {
  let server: TestServer
  let token: string
  let principal: string

  beforeAll(async () => {
    server = await openServer(await open())
    const { admin } = await server.tenant('types')
    token = admin.token
    principal = `AgentIam::User::"${admin.id}"`
    const body = { dimension: 'resource-type', subject: '*', perDay: 100_000 } as const
    await server.api.call(contract.createRateLimit, { body, token })
    server.clock.advance(1)
  })
  afterAll(() => server.close())

  /** The type of the decision in the log, and the type whose window the answer names. */
  async function typesOf(resource: string): Promise<{ decided: string; counted: string | undefined }> {
    const body = { principal, action: 'AgentIam::Action::"read"', resource: `AgentIam::Resource::"${resource}"` }
    const { status, text, headers } = await server.api.send(check, { body, token })
    expect(status).toBe(200)
    const { decisionId } = check.response.parse(JSON.parse(text))
    const [row] = await server.database.ask(
      `select convert_from(leaf, 'UTF8')::json->>'resource' as resource from audit_events where decision_id = $1`,
      [uuidOf(decisionId)],
    )
    const [, counted] = /"resource-type-([\w.-]+)-day"/.exec(String(headers['ratelimit-policy'])) ?? []
    return { decided: String(row?.['resource']).split('/')[0] ?? '', counted }
  }

  test('however a type is spelt, the type that is decided on is the type that counts', async () => {
    const spelling = fc.array(fc.tuple(fc.constantFrom('f', 'i', 'l', 'e', '.'), fc.boolean()), {
      minLength: 1,
      maxLength: 6,
    })
    await fc.assert(
      fc.asyncProperty(spelling, async (pieces) => {
        const type = pieces.map(([character]) => character).join('')
        const written = pieces.map(([character, isEscaped]) => (isEscaped ? escaped(character) : character)).join('')
        expect(await typesOf(`${written}/a`)).toEqual({ decided: type, counted: type })
      }),
      { numRuns: runs },
    )
  })
})

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
