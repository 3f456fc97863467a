import type { TenantId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import type { RoleDefinition } from '../capabilities/model.ts'
import { readRoleDefinitions } from '../capabilities/service.ts'
import type { ResourceDefinitions } from '../resources/model.ts'
import { readResourceDefinitions } from '../resources/service.ts'

/** What a tenant declares and decisions go by, beside its policies and the facts of who asks and what for. */
export interface Definitions {
  readonly version: number
  readonly roles: readonly RoleDefinition[]
  readonly resources: ResourceDefinitions
}

/** Tenants whose definitions are held at once; the one used longest ago goes first. */
const tenantsMax = 1000

/** Keeps each tenant's definitions as long as their version is the present one. */
export class DefinitionsCache {
  readonly #held = new Map<TenantId, Definitions>()

  /**
   * The tenant's definitions, at a version that was just read in this transaction. What is newer than that is kept under
   * it all the same, and so read anew with the next question, which names another.
   */
  async get(tx: Transaction, version: number): Promise<Definitions> {
    const { tenantId } = tx.caller
    const held = this.find(tenantId, version)
    if (held) return this.#keep(tenantId, held)
    const definitions = await read(tx, version)
    // What this transaction changed may yet be undone, and another change come under the same version.
    return tx.events.length > 0 ? definitions : this.#keep(tenantId, definitions)
  }

  /** Those held at this version, if they are. */
  find(tenantId: TenantId, version: number): Definitions | undefined {
    const held = this.#held.get(tenantId)
    return held?.version === version ? held : undefined
  }

  /** As the last one used: a map keeps the order in which its keys came. */
  #keep(tenantId: TenantId, held: Definitions): Definitions {
    this.#held.delete(tenantId)
    const [oldest] = this.#held.keys()
    if (oldest !== undefined && this.#held.size >= tenantsMax) this.#held.delete(oldest)
    this.#held.set(tenantId, held)
    return held
  }
}

async function read(tx: Transaction, version: number): Promise<Definitions> {
  return { version, roles: await readRoleDefinitions(tx), resources: await readResourceDefinitions(tx) }
}
