import { IdentityIdSchema, type IdentityId, type TenantId } from '@agent-iam/contract/ids'
import { inTransaction, type Context } from '../../platform/context.ts'
import { makeRuleBook, type RuleBook } from './model.ts'
import { listPresentRoles, listRules } from './store.ts'

/** A change is in force on every instance after this long. */
const freshMs = 1_000
/** Tenants, and identities with roles, that are remembered at once; whoever was asked for first goes first. */
const rememberedMax = 10_000

/** What requests are counted by, read once a second for each tenant that sends any. */
export class Rules {
  readonly #books = new Fresh<TenantId, RuleBook>()
  readonly #roles = new Fresh<IdentityId, readonly string[]>()

  /** Not inside a transaction: it may open one. */
  async bookOf(ctx: Context): Promise<RuleBook> {
    return this.#books.get(ctx, ctx.caller.tenantId, () =>
      inTransaction(ctx, async (tx) => makeRuleBook(await listRules(tx))),
    )
  }

  /** The roles that an actor has now; none of what is no identity. */
  async rolesOf(ctx: Context, actor: string): Promise<readonly string[]> {
    const identityId = IdentityIdSchema.safeParse(actor)
    if (!identityId.success) return []
    return this.#roles.get(ctx, identityId.data, () =>
      inTransaction(ctx, (tx) => listPresentRoles(tx, identityId.data)),
    )
  }

  /** The caller's tenant has changed them here. */
  forget(tenantId: TenantId): void {
    this.#books.forget(tenantId)
  }
}

/** Values that are read again when they are older than a second; of several who want one at once, one reads it. */
class Fresh<Key, Value> {
  readonly #kept = new Map<Key, { readonly value: Promise<Value>; readonly readAtMs: number }>()

  async get({ clock }: Context, key: Key, read: () => Promise<Value>): Promise<Value> {
    const nowMs = clock.now().getTime()
    const kept = this.#kept.get(key)
    if (kept && Math.abs(nowMs - kept.readAtMs) < freshMs) return kept.value
    const value = read()
    this.#keep(key, value, nowMs)
    try {
      return await value
    } catch (error) {
      // What could not be read is not remembered.
      if (this.#kept.get(key)?.value === value) this.#kept.delete(key)
      throw error
    }
  }

  forget(key: Key): void {
    this.#kept.delete(key)
  }

  #keep(key: Key, value: Promise<Value>, readAtMs: number): void {
    this.#kept.delete(key)
    this.#kept.set(key, { value, readAtMs })
    const [oldest] = this.#kept.size > rememberedMax ? this.#kept.keys() : []
    if (oldest !== undefined) this.#kept.delete(oldest)
  }
}
