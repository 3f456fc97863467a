import { check } from '@agent-iam/contract/authorization'
import type { IdentityId } from '@agent-iam/contract/ids'
import { assignRole, createRole, unassignRole, type RoleKey } from '@agent-iam/contract/roles'
import { addSeconds } from '../src/platform/clock.ts'
import type { TestServer } from './test-server.ts'

export const hour = 3600

/** Makes roles and gives them, as an administrator does unless another token is named. */
export class RoleDesk {
  readonly #server: TestServer
  /** Asked each time: tests that move the clock log in anew. */
  readonly #admin: () => string
  #made = 0

  constructor(server: TestServer, admin: () => string) {
    this.#server = server
    this.#admin = admin
  }

  async make(permissions: readonly string[] = [], inherits: string[] = [], token = this.#admin()) {
    const held = permissions.map((permission) => ({ permission }))
    const body = { name: this.newName(), permissions: held, inherits }
    return this.#server.api.call(createRole, { body, token })
  }

  /** A name that no role has yet. */
  newName(): string {
    return `role ${++this.#made}`
  }

  /** Its key alone. */
  async makeKey(permissions: readonly string[]): Promise<RoleKey> {
    return (await this.make(permissions)).roleId
  }

  give(roleId: RoleKey, identityId: IdentityId, body = {}, token = this.#admin()) {
    return this.#server.api.call(assignRole, { params: { roleId, identityId }, body, token })
  }

  /** Why a role is not given. */
  async refuseGiving(roleId: RoleKey, identityId: IdentityId, body = {}, token = this.#admin()) {
    return (await this.#server.api.refuse(assignRole, { params: { roleId, identityId }, body, token })).code
  }

  take(roleId: RoleKey, identityId: IdentityId, token = this.#admin()) {
    return this.#server.api.send(unassignRole, { params: { roleId, identityId }, token })
  }

  /** Whether who holds a token may read. */
  async may(token: string, resource = 'file/a', by = this.#server): Promise<boolean> {
    return (await by.api.call(check, { body: { resource, action: 'read' }, token })).allowed
  }

  later(seconds: number): string {
    return addSeconds(this.#server.clock.now(), seconds).toISOString()
  }
}
