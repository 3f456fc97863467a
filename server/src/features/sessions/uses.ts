import type { IdentityId, SessionId, TenantId } from '@agent-iam/contract/ids'
import { tryAll } from '../../lib/try-all.ts'
import { actingOf, asSystem, inTransaction, type Caller, type Context } from '../../platform/context.ts'
import { updateLastUses } from './store/last-uses.ts'

/** Sessions whose use waits to be stored, about 200 bytes each. Beyond, a use is not noted: it decides nothing. */
const sessionsMax = 50_000

/** Rows that one transaction locks: a few milliseconds. */
const storedAtOnce = 500

export interface SessionUse {
  readonly sessionId: SessionId
  readonly identityIds: readonly IdentityId[]
  readonly at: Date
}

/**
 * When sessions and identities were used last. A request notes it in memory, which costs nothing that can be measured; it is
 * stored once a minute, many at once, so no request waits for it.
 */
export class SessionUses {
  #tenants = new Map<TenantId, Map<SessionId, SessionUse>>()
  #size = 0

  note(caller: Caller, at: Date): void {
    if (caller.kind !== 'identity') return
    const { tenantId, sessionId } = caller
    const sessions = this.#tenants.get(tenantId) ?? new Map<SessionId, SessionUse>()
    const known = sessions.get(sessionId)
    if (!known && this.#size >= sessionsMax) return
    if (!known) this.#size++
    sessions.set(sessionId, { sessionId, identityIds: known?.identityIds ?? actingOf(caller), at })
    this.#tenants.set(tenantId, sessions)
  }

  /** Stores what was noted. What could not be stored is lost: the next use is noted again. */
  async flush(system: Context): Promise<void> {
    const noted = this.#tenants
    this.#tenants = new Map()
    this.#size = 0
    await tryAll([...noted], ([tenantId, sessions]) => storeUses(asSystem(system, tenantId), [...sessions.values()]))
  }
}

/** Each part in a transaction of its own, so that no row is locked for long. */
async function storeUses(ctx: Context, uses: readonly SessionUse[]): Promise<void> {
  for (let from = 0; from < uses.length; from += storedAtOnce)
    await inTransaction(ctx, (tx) => updateLastUses(tx, uses.slice(from, from + storedAtOnce)))
}
