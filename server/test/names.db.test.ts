import { listAgents, registerAgent, updateAgent } from '@agent-iam/contract/agents'
import { operations } from '@agent-iam/contract/operations'
import { createRole } from '@agent-iam/contract/roles'
import { Name } from '@agent-iam/contract/text'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { refreshSkeletons } from '../src/platform/skeleton-refresh.ts'
import { isOrWraps, requestFields, type Field } from './contract-walk.ts'
import { databases } from './databases.ts'
import { openServer, uuidOf, type TestServer } from './test-server.ts'

/** Members of requests with such a word for their name that name nobody. */
const others = new Set([
  // Text to search by.
  'listAgents.name',
  // Actions, which are words of the tenant's policies.
  'evaluate.action.name',
  'evaluateAll.action.name',
  'searchResources.action.name',
  'searchSubjects.action.name',
  'createResourceType.actions[].name',
  'updateResourceType.actions[].name',
  // An identifier of ASCII letters.
  'createResourceType.name',
])

const nameWords = /^(name|displayName|clientName|client_name|title|device)$/
const invisible = Array.from({ length: 0x110000 }, (_, point) => point)
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point))
  .filter((each) => /[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(each))

const label = ({ operation, path }: Field) => `${operation.id}.${path}`
const fields = requestFields().filter(({ name }) => nameWords.test(name))
const named = new Map(
  fields.filter((field) => !others.has(label(field))).map((field) => [label(field), field.schema] as const),
)

describe('every name that a request may hold', () => {
  test('is looked at, but for those that are no names', () => {
    expect(named.size).toBeGreaterThan(30)
    expect([...others].filter((other) => !fields.some((field) => label(field) === other))).toEqual([])
  })

  test.each([...named])(
    '%s refuses every invisible character, and takes what Persian, Sinhala and emoji need',
    (_label, schema) => {
      expect(invisible.filter((each) => schema.safeParse(`bo${each}ss`).success)).toEqual([])
      for (const good of ['می\u200cخواهم', 'ශ්\u200dරී', 'bot 👩\u200d💻'])
        expect(schema.safeParse(good).success).toBe(true)
    },
  )

  test('is told in answers even where it would be refused today', () => {
    const told = operations.filter(({ response }) => holdsName(response))
    expect(told.map(({ id }) => id)).toEqual([])
  })
})

function holdsName(schema: z.core.$ZodType, seen = new Set<z.core.$ZodType>()): boolean {
  if (isOrWraps(schema, Name)) return true
  if (seen.has(schema)) return false
  seen.add(schema)
  if (schema instanceof z.ZodArray) return holdsName(schema.element, seen)
  return schema instanceof z.ZodObject && Object.values(schema.shape).some((each) => holdsName(each, seen))
}

describe.each(databases)('names on %s', (_name, open) => {
  let server: TestServer
  let token: string

  beforeAll(async () => {
    server = await openServer(await open())
    token = await server.admin()
  })
  afterAll(() => server.close())

  const register = (name: string) => server.api.send(registerAgent, { body: { name }, token })

  test.each([
    ['crawler', 'сrawlеr'],
    ['modern bot', 'modem bot'],
    ['billing', 'bıllıng'],
    ['می\u200cخواهم', 'میخواهم'],
    ['ශ්\u200dරී bot', 'ශ්රී bot'],
  ])('%s and %s are not both agents of one tenant', async (first, second) => {
    expect((await register(first)).status).toBe(201)
    expect((await server.api.refuse(registerAgent, { body: { name: second }, token })).code).toBe('already-exists')
  })

  test('a role may not look like another', async () => {
    const role = (name: string) => server.api.send(createRole, { body: { name, permissions: [] }, token })
    expect((await role('auditing team')).status).toBe(201)
    expect((await role('аuditing tеam')).status).toBe(409)
    // This letter is not for names at all: Unicode restricts it to technical use.
    expect((await role('ɑdmin')).status).toBe(400)
  })

  test('names of before stay, alike or not, and new ones are refused that look like them', async () => {
    const registered = ['former', 'other former', 'third former'].map((name) =>
      server.api.call(registerAgent, { body: { name }, token }),
    )
    const ids = (await Promise.all(registered)).map(({ agentId }) => agentId).toSorted()
    // As an older release wrote them: the second differs by a letter that its tables did not know, the third is invisible in part.
    const names = ['old rnodel', 'old model', 'o\u00adld thing']
    for (const [n, name] of names.entries())
      await server.database.ask('update identities set name = $1, name_skeleton = $2 where id = $3', [
        name,
        `${name} of before`,
        uuidOf(ids[n] ?? ''),
      ])
    expect(await refreshSkeletons(server.app.system)).toBe(3)
    expect(await refreshSkeletons(server.app.system)).toBe(0)

    const { agents } = await server.api.call(listAgents, { query: { limit: 100 }, token })
    expect(agents.map(({ name }) => name)).toEqual(expect.arrayContaining(names))
    for (const name of ['old model', 'old rnodel', 'old thing']) expect((await register(name)).status).toBe(409)
    const params = { agentId: ids[2] ?? 'agt_none' }
    const changed = await server.api.call(updateAgent, { params, body: { metadata: { seen: true } }, token })
    expect(changed.name).toBe(names[2])
  })
})
