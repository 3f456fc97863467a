import { biscuitSecondsMax } from '@agent-iam/contract/biscuits'
import type { SessionId, TenantId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { terminateSession } from '../sessions/service.ts'
import { deleteExpired, findSessionOfBlock, insertRevokedBlock, listRevokedIds } from './store.ts'

/**
 * Revokes a block, and with it every token that holds it: an authority block by the end of its session, which is what
 * its tokens present; one that was appended later by its id. Gives the session, if one ended.
 */
export async function revokeBlock(ctx: Context, revocationId: string): Promise<SessionId | undefined> {
  const sessionId = await inTransaction(ctx, (tx) => findSessionOfBlock(tx, revocationId))
  if (sessionId) await terminateSession(ctx, sessionId)
  else await refuseBlock(ctx, revocationId)
  return sessionId
}

/** Nobody knows whose it is, so only who may end everybody's sessions does it. */
async function refuseBlock(ctx: Context, revocationId: string): Promise<void> {
  await inTransaction(ctx, async (tx) => {
    await tx.authorize('sessions:end', { type: 'sessions' })
    await deleteExpired(tx)
    // It is no Biscuit's yet that is made from now on: its bytes are the signature of one that is there.
    const forgottenAt = addSeconds(tx.clock.now(), biscuitSecondsMax)
    if (!(await insertRevokedBlock(tx, revocationId, forgottenAt)))
      throw new Problem('wrong-state', 'the block is revoked already')
    recordEvent(tx, { type: 'biscuit.revoked', resource: 'agent-iam/biscuits', data: { revocationId }, narrows: true })
  })
}

/** How old the list may be when it is sent: strangers who ask more often share one look. */
const lookedMs = 1000
/** Tenants whose list is kept; the one looked at longest ago goes first. */
const tenantsMax = 1000

interface Look {
  readonly at: number
  readonly ids: Promise<readonly string[]>
}

/** The revoked blocks as they are published, for who verifies offline. */
export class PublishedRevocations {
  readonly #looks = new Map<TenantId, Look>()

  async list(ctx: Context, tenantId: TenantId): Promise<readonly string[]> {
    const now = ctx.clock.now().getTime()
    const last = this.#looks.get(tenantId)
    if (last && now - last.at < lookedMs && now >= last.at) return last.ids
    const ids = inTransaction(asCaller(ctx, { kind: 'system', tenantId, address: '' }), listRevokedIds)
    this.#looks.delete(tenantId)
    const [oldest] = this.#looks.keys()
    if (oldest !== undefined && this.#looks.size >= tenantsMax) this.#looks.delete(oldest)
    this.#looks.set(tenantId, { at: now, ids })
    // A look that failed is nobody else's answer.
    ids.catch(() => this.#looks.delete(tenantId))
    return ids
  }
}
