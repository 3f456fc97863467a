import { platformTenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { addSeconds } from './clock.ts'
import { asCaller, inTransaction, type Context } from './context.ts'
import { toUuid } from './ids.ts'

/** A holder that falls silent keeps its lease for so long: a short stall costs nothing, and another takes over in time. */
const leaseSeconds = 2.5

/** A holder that hangs with the row locked lets go of it after this: nobody could take over meanwhile. */
const lockedMsMax = 1_000

/**
 * The right to do some work that one instance does at a time. It is a row with an end; by the database's clock, so that
 * instances whose clocks differ agree. Whoever holds it renews it while it works, and others take it over once it ended.
 *
 * NOTE: it spares work, and makes nothing exclusive: a holder may wake after its lease has gone to another. What is done
 * under it must be harmless when two do it.
 */
export class Lease {
  readonly #name: string
  readonly #holder: string
  #endsAt: Date | undefined

  /** @param holder unlike any other instance's, those before this one included */
  constructor(name: string, holder: string) {
    this.#name = name
    this.#holder = holder
  }

  /** Whether it was had when it was last asked for, and has not ended since. */
  isHeld(now: Date): boolean {
    return this.#endsAt !== undefined && now < this.#endsAt
  }

  /** Takes or renews it; false when another has it. */
  async hold(system: Context): Promise<boolean> {
    // What cannot be renewed is as good as lost.
    this.#endsAt = undefined
    const isHeld = await inTransaction(onPlatform(system), async ({ db }) => {
      const tenant = toUuid(platformTenantId)
      const end = sql`clock_timestamp() + make_interval(secs => ${leaseSeconds}::double precision)`
      const { rows } = await sql<{ is_held: boolean }>`
        with limited as (select set_config('idle_in_transaction_session_timeout', ${String(lockedMsMax)}, true)),
          renewed as (
            update leases set holder = ${this.#holder}, ends_at = ${end} from limited
              where tenant_id = ${tenant} and name = ${this.#name}
                and (holder = ${this.#holder} or ends_at <= clock_timestamp())
              returning name),
          made as (
            insert into leases (tenant_id, name, holder, ends_at)
              select ${tenant}::uuid, ${this.#name}, ${this.#holder}, ${end}
                where not exists (select from leases where tenant_id = ${tenant} and name = ${this.#name})
              on conflict do nothing
              returning name)
        select exists (select from renewed) or exists (select from made) as is_held`.execute(db)
      return rows[0]?.is_held ?? false
    })
    this.#endsAt = isHeld ? addSeconds(system.clock.now(), leaseSeconds) : undefined
    return isHeld
  }

  /** Lets another have it at once. */
  async release(system: Context): Promise<void> {
    if (!this.isHeld(system.clock.now())) return
    this.#endsAt = undefined
    await inTransaction(onPlatform(system), async ({ db }) => {
      await sql`
        update leases set ends_at = clock_timestamp()
          where tenant_id = ${toUuid(platformTenantId)} and name = ${this.#name} and holder = ${this.#holder}`.execute(
        db,
      )
    })
  }
}

function onPlatform(system: Context): Context {
  return asCaller(system, { kind: 'system', tenantId: platformTenantId, address: '' })
}
