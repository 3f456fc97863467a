import type { EventType } from '@agent-iam/contract/event-types'
import type { TenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Clock } from './clock.ts'
import type { Database } from './database.ts'

/** Up to where the log tells of a tenant: what was read at one moment holds as long as this is the same. */
export interface Beat {
  /** Raised by whatever narrows (DESIGN D13). */
  readonly epoch: number
  /** Raised by whatever may change a decision. */
  readonly changes: number
}

/** How long what another instance has widened may go unnoticed (DESIGN D13). */
const believedMs = 1000

/**
 * What happens all the time and gives nobody who was there before another right. The database knows the same by its function
 * `is_everyday`.
 */
const everyday =
  /^(?:(?:action|biscuit|decision|log|login|message|outbox|policy-engine|request|session|token)\.|agent\.(?:delegated|registered)$|rate-limit\.exceeded$)/

export function isEveryday(type: EventType): boolean {
  return everyday.test(type)
}

/**
 * Whether anything has changed in a tenant: asked of the database once a second at most, for all who want to know, and at once
 * after this instance has changed something.
 */
export class Pulse {
  readonly #db: Database
  readonly #clock: Clock
  readonly #tenants = new Map<TenantId, { readonly at: number; readonly beat: Promise<Beat> }>()

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
  }

  /** Not to be awaited inside a transaction: it begins one. */
  async of(tenantId: TenantId): Promise<Beat> {
    const now = this.#clock.now().getTime()
    const last = this.#tenants.get(tenantId)
    // A clock that was put back tells no age.
    if (last && now >= last.at && now - last.at < believedMs) return last.beat
    const beat = this.#read(tenantId)
    this.#tenants.set(tenantId, { at: now, beat })
    beat.catch(() => this.forget(tenantId))
    return beat
  }

  /** This instance has changed something: what was told before is not believed any longer. */
  forget(tenantId: TenantId): void {
    this.#tenants.delete(tenantId)
  }

  async #read(tenantId: TenantId): Promise<Beat> {
    return this.#db.transaction(tenantId, async (db) => {
      const { rows } = await sql<Beat>`
        select epoch, changes from audit_heads where tenant_id = app_tenant()`.execute(db)
      const [beat] = rows
      if (!beat) throw new Error(`tenant ${tenantId} has no log`)
      return beat
    })
  }
}
