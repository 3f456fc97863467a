import { IdentityIdSchema, type IdentityId, type TenantId } from '@agent-iam/contract/ids'
import { inTransaction, type Context } from '../../platform/context.ts'
import type { Pulse } from '../../platform/pulse.ts'
import { makeRuleBook, type RuleBook } from './model.ts'
import { listPresentRoles, listRules } from './store.ts'

/** Roles begin and end by time alone, too: they are read again after this long, whatever changed. */
const rolesMs = 1_000
/** Tenants, and identities with roles, that are remembered at once; whoever was read first goes first. */
const rememberedMax = 10_000

/** What requests are counted by, read again when something has changed in the tenant; noticed within a second. */
export class Rules {
  readonly #pulse: Pick<Pulse, 'of'>
  readonly #books = new Map<TenantId, Read<RuleBook>>()
  readonly #roles = new Map<IdentityId, Read<readonly string[]>>()

  constructor(pulse: Pick<Pulse, 'of'>) {
    this.#pulse = pulse
  }

  /** Not inside a transaction: it may open one. */
  async bookOf(ctx: Context): Promise<RuleBook> {
    const { tenantId } = ctx.caller
    const { changes } = await this.#pulse.of(tenantId)
    const held = this.#books.get(tenantId)
    if (held?.changes === changes) return held.value
    const value = inTransaction(ctx, async (tx) => makeRuleBook(await listRules(tx)))
    return remember(this.#books, tenantId, { value, changes, atMs: 0 })
  }

  /** The roles that an actor has now; none of what is no identity. */
  async rolesOf(ctx: Context, actor: string): Promise<readonly string[]> {
    const identityId = IdentityIdSchema.safeParse(actor)
    if (!identityId.success) return []
    const { changes } = await this.#pulse.of(ctx.caller.tenantId)
    const atMs = ctx.clock.now().getTime()
    const held = this.#roles.get(identityId.data)
    if (held?.changes === changes && Math.abs(atMs - held.atMs) < rolesMs) return held.value
    const value = inTransaction(ctx, (tx) => listPresentRoles(tx, identityId.data))
    return remember(this.#roles, identityId.data, { value, changes, atMs })
  }
}

/** What was read, or is being read: of several who want it at once, one asks. */
interface Read<Value> {
  readonly value: Promise<Value>
  /** The changes of the tenant that it was read after. */
  readonly changes: number
  readonly atMs: number
}

async function remember<Key, Value>(held: Map<Key, Read<Value>>, key: Key, read: Read<Value>): Promise<Value> {
  held.delete(key)
  held.set(key, read)
  const [oldest] = held.size > rememberedMax ? held.keys() : []
  if (oldest !== undefined) held.delete(oldest)
  try {
    return await read.value
  } catch (error) {
    // What could not be read is not remembered.
    if (held.get(key) === read) held.delete(key)
    throw error
  }
}
