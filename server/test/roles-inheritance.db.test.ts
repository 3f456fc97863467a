import {
  createRole,
  deleteRole,
  updateRole,
  assignRole,
  roleDepthMax,
  rolesMax,
  type RoleKey,
} from '@agent-iam/contract/roles'
import type { RoleId } from '@agent-iam/contract/ids'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAgent } from './agents.ts'
import { databases } from './databases.ts'
import { RoleDesk } from './roles.ts'
import { openServer, type TestServer } from './test-server.ts'

describe.each(databases)('roles that inherit, and change at once, on %s', (_kind, open) => {
  let server: TestServer
  let admin: string
  let desk: RoleDesk

  beforeAll(async () => {
    server = await openServer(await open())
    admin = await server.admin()
    desk = new RoleDesk(server, () => admin)
  })
  afterAll(() => server.close())

  test('roles in a circle are refused, however long it is', async () => {
    const one = await desk.make()
    const two = await desk.make([], [one.roleId])
    const three = await desk.make([], [two.roleId])
    for (const inherits of [[one.roleId], [two.roleId], [three.roleId]]) {
      const input = { params: { roleId: one.roleId }, body: { inherits }, token: admin }
      expect(await server.api.refuse(updateRole, input)).toMatchObject({ code: 'wrong-state' })
    }
  })

  test('of two changes at once on two instances that make a circle together, one is refused', async () => {
    const other = await server.beside()
    for (let round = 0; round < 5; round++) {
      const [one, two] = [await desk.make(), await desk.make()]
      const link = (api: TestServer['api'], roleId: RoleId, to: RoleId) =>
        api.send(updateRole, { params: { roleId }, body: { inherits: [to] }, token: admin })
      const answers = await Promise.all([
        link(server.api, roleIdOf(one), roleIdOf(two)),
        link(other.api, roleIdOf(two), roleIdOf(one)),
      ])
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409])
    }
    await other.close()
  })

  test('of who gives a role and who deletes it at once, on two instances, one comes too late', async () => {
    const other = await server.beside()
    for (let round = 0; round < 10; round++) {
      const [{ roleId }, { id: identityId }] = [await desk.make(), await makeAgent(server, admin)]
      const [given, deleted] = await Promise.all([
        server.api.send(assignRole, { params: { roleId, identityId }, body: {}, token: admin }),
        other.api.send(deleteRole, { params: { roleId }, token: admin }),
      ])
      expect([
        [200, 409],
        [404, 200],
      ]).toContainEqual([given.status, deleted.status])
    }
    await other.close()
  })

  test('roles inherit over so many steps and no more, also where the chain grows at its lower end', async () => {
    let last = await desk.make()
    const first = last
    for (let step = 0; step < roleDepthMax; step++) last = await desk.make([], [last.roleId])
    const beyond = { body: { name: 'too deep', inherits: [last.roleId] }, token: admin }
    expect(await server.api.refuse(createRole, beyond)).toMatchObject({ code: 'quota-spent' })
    const below = { params: { roleId: first.roleId }, body: { inherits: ['member'] }, token: admin }
    expect(await server.api.refuse(updateRole, below)).toMatchObject({ code: 'quota-spent' })
  })

  test('a tenant has so many roles, also when two instances make the last at once', async () => {
    const { admin: other } = await server.tenant('many-roles')
    const beside = await server.beside()
    const create = async ({ api }: TestServer, n: number) =>
      (await api.send(createRole, { body: { name: `number ${n}` }, token: other.token })).status
    for (let n = 1; n < rolesMax; n++) expect(await create(n % 2 === 0 ? server : beside, n)).toBe(201)
    const last = await Promise.all([0, 1, 2, 3].map((n) => create(n % 2 === 0 ? server : beside, rolesMax + n)))
    expect(last.toSorted((a, b) => a - b)).toEqual([201, 403, 403, 403])
    await beside.close()
  })
})

function roleIdOf({ roleId }: { roleId: RoleKey }): RoleId {
  if (!roleId.startsWith('rol_')) throw new Error(`${roleId} is built in`)
  return `rol_${roleId.slice(4)}`
}
