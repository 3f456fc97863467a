import { registerAgent } from '@agent-iam/contract/agents'
import { createClient } from '@agent-iam/contract/clients'
import { idPrefixes, type IdKind } from '@agent-iam/contract/ids'
import type { Operation } from '@agent-iam/contract/operation'
import { operations } from '@agent-iam/contract/operations'
import { createService } from '@agent-iam/contract/services'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { countRows } from './count-rows.ts'
import { databases } from './databases.ts'
import type { Input } from './test-api.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

/** A field of a body or a query that takes an id of some kind. */
interface IdField {
  readonly part: 'body' | 'query'
  readonly name: string
  readonly kind: IdKind
}

/** What a JSON Schema tells, of a body or a field: it may be one of several. */
interface Schema {
  readonly pattern?: string | undefined
  readonly properties?: Readonly<Record<string, Schema>> | undefined
  readonly anyOf?: readonly Schema[] | undefined
}
const Schema: z.ZodType<Schema> = z.object({
  pattern: z.string().optional(),
  get properties() {
    return z.record(z.string(), Schema).optional()
  },
  get anyOf() {
    return z.array(Schema).optional()
  },
})

function idFieldsOf(operation: Operation): IdField[] {
  return (['body', 'query'] as const).flatMap((part) => {
    const schema = operation[part]
    if (!schema) return []
    return choicesOf(Schema.parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })))
      .flatMap(({ properties }) => Object.entries(properties ?? {}))
      .flatMap(([name, field]) => kindsOf(field).map((kind) => ({ part, name, kind })))
  })
}

function kindsOf(field: Schema): IdKind[] {
  const patterns = choicesOf(field).map(({ pattern }) => pattern)
  return kinds.filter((kind) => patterns.some((pattern) => pattern?.startsWith(`^${idPrefixes[kind]}_`)))
}

function choicesOf(schema: Schema): Schema[] {
  return [schema, ...(schema.anyOf ?? []).flatMap(choicesOf)]
}

/** Those that a tenant here holds. */
const kinds = ['user', 'service', 'agent', 'client'] as const
type Holdings = Readonly<Record<(typeof kinds)[number], string>>

/** Strangers have no tenant that another could be foreign to. */
const cases = operations
  .filter(({ action }) => action !== 'public')
  .flatMap((operation) =>
    idFieldsOf(operation).map((field) => [operation.id, field.name, field.kind, operation, field] as const),
  )

describe.each(databases)('ids of another tenant on %s', (_name, open) => {
  let server: TestServer
  let admin: TestUser
  let own: Holdings
  let foreign: Holdings

  beforeAll(async () => {
    server = await openServer(await open())
    own = await fill((await server.user('admin')).token)
    foreign = await fill((await server.tenant('foreign')).admin.token)
  })
  afterAll(() => server.close())

  test('some operations take ids beside those in their path', () => {
    expect(cases.map(([id, name]) => `${id}.${name}`)).toEqual(
      expect.arrayContaining(['check.agentId', 'moveAgent.parent', 'changeAgentOwner.owner', 'listSessions.agentId']),
    )
  })

  test.each(cases)('%s is told of the %s of another tenant, a %s, what it is told of nobody’s', async (...given) => {
    const [, , kind, operation, { part, name }] = given
    // Somebody's refusals are told one by one only so often a minute.
    admin = await server.user('admin')
    const before = await countRows(server.database)
    const ask = (id: string) => {
      const input = { ...withOwnPath(operation, own), token: admin.token }
      // Filters may exclude each other; a body may lack nothing.
      const others = part === 'body' ? Object(input.body) : {}
      return server.api.send(operation, { ...input, [part]: { ...others, [name]: id } })
    }
    const theirs = await ask(foreign[heldKind(kind)])
    const nobodys = await ask(`${idPrefixes[kind]}_${'0'.repeat(32)}`)
    expect([theirs.status, apartFrom(theirs.text)]).toEqual([nobodys.status, apartFrom(nobodys.text)])
    expect(theirs.status < 300).toBe(operation.method === 'GET' && operation.id !== aboutOne)
    expect(await countRows(server.database)).toEqual(before)
  })

  async function fill(token: string): Promise<Holdings> {
    const { api } = server
    const { agentId: agent, owner: user } = await api.call(registerAgent, { body: { name: 'a secret agent' }, token })
    const { serviceId: service } = await api.call(createService, { body: { name: 'a secret service' }, token })
    const { clientId: client } = await api.call(createClient, { ...createClient.example, token })
    return { agent, user, service, client }
  }
})

function heldKind(kind: IdKind): keyof Holdings {
  const held = kinds.find((each) => each === kind)
  if (!held) throw new Error(`nobody holds a ${kind}`)
  return held
}

function withOwnPath({ example }: Operation, { agent, user, service, client }: Holdings): Input {
  if (example.params === undefined) return example
  const ids = { agentId: agent, userId: user, serviceId: service, clientId: client, identityId: user }
  const names = Object.keys(Object(example.params))
  const params = Object.fromEntries(Object.entries(ids).filter(([name]) => names.includes(name)))
  return { ...example, params: { ...Object(example.params), ...params } }
}

/** A list about one identity, not of those that fit: where there is none, there is nothing to list. */
const aboutOne = 'listPermissions'

/** But for the ids, and for when it was told. */
function apartFrom(text: string): string {
  return text.replaceAll(/[0-9a-f]{32}|"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '…')
}
