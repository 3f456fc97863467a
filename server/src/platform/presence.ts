import { platformTenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { asCaller, inTransaction, type Context } from './context.ts'
import { toUuid } from './ids.ts'

/** An instance that said nothing for so long is taken to be gone: it says so several times in that time. */
const silentSecondsMax = 15

/**
 * How many instances live. Each says so in a row of its own, every few seconds and by the database's clock; between, and
 * while the database does not answer, what was counted last is believed.
 */
export class Presence {
  readonly #id: string
  #instances = 1

  /** @param id unlike any other instance's, those before this one included */
  constructor(id: string) {
    this.#id = id
  }

  /** This one included. */
  get instances(): number {
    return this.#instances
  }

  /** Says that this instance lives, forgets those that do not, and counts. */
  async tell(system: Context): Promise<void> {
    this.#instances = await inTransaction(onPlatform(system), async ({ db }) => {
      const tenant = toUuid(platformTenantId)
      await sql`
        insert into instances (tenant_id, id, seen_at) values (${tenant}, ${this.#id}, clock_timestamp())
          on conflict (tenant_id, id) do update set seen_at = excluded.seen_at`.execute(db)
      // One that wakes holds its own row, and may be about to forget this one: neither waits for the other.
      await sql`
        delete from instances where tenant_id = ${tenant} and id in (
          select id from instances where tenant_id = ${tenant}
            and seen_at < clock_timestamp() - make_interval(secs => ${silentSecondsMax}::double precision)
            for update skip locked)`.execute(db)
      const { rows } = await sql<{ living: number }>`
        select count(*)::int as living from instances where tenant_id = ${tenant}
          and seen_at >= clock_timestamp() - make_interval(secs => ${silentSecondsMax}::double precision)`.execute(db)
      return Math.max(1, rows[0]?.living ?? 1)
    })
  }

  /** Says that this instance ends, so that the others need not find out. */
  async leave(system: Context): Promise<void> {
    await inTransaction(onPlatform(system), async ({ db }) => {
      await sql`delete from instances where tenant_id = ${toUuid(platformTenantId)} and id = ${this.#id}`.execute(db)
    })
  }
}

function onPlatform(system: Context): Context {
  return asCaller(system, { kind: 'system', tenantId: platformTenantId, address: '' })
}
