import { inTransaction, type Confirmation, type Context, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { requireLive } from '../sessions/model.ts'
import { findSession, requireSession } from '../sessions/service.ts'
import { requireUnrevoked } from './caller.ts'
import type { BiscuitFault } from './model.ts'
import { evaluate, type BlockAnswer } from './permits.ts'
import { readBiscuit, type ReadBiscuit } from './read-biscuit.ts'

export interface ShownBiscuit {
  readonly token: string
  readonly operation?: string | undefined
  readonly resource?: string | undefined
  readonly audience?: string | undefined
  /** The key that its presenter has shown to the caller. */
  readonly confirmation?: Confirmation | undefined
}

export interface CheckedBiscuit {
  readonly read: ReadBiscuit
  /** Undefined where nothing was asked. */
  readonly answer: BlockAnswer | undefined
}

/** Whether a Biscuit of the caller's tenant is good now, and allows what is asked; or what is wrong with it. */
export async function checkBiscuit(ctx: Context, shown: ShownBiscuit): Promise<CheckedBiscuit | BiscuitFault> {
  requireSession(ctx.caller)
  const read = await readBiscuit(ctx, shown.token)
  if (typeof read === 'string') return read
  const fault = faultOf(ctx, read, shown) ?? (await findRevocation(ctx, read))
  if (fault) return fault
  const { token, operation, resource, audience = read.facts.audience } = shown
  if (operation === undefined || resource === undefined) return { read, answer: undefined }
  const question = { operation, resource, audience, time: ctx.clock.now() }
  return { read, answer: await evaluate(ctx, { token, known: read }, question) }
}

/** What another tenant's issuer signed is unknown here: nobody learns more of it. */
function faultOf(ctx: Context, { facts, rootKey }: ReadBiscuit, shown: ShownBiscuit): BiscuitFault | undefined {
  const { tenantId } = ctx.caller
  if (rootKey.tenantId !== tenantId || facts.tenant !== tenantId || facts.issuer !== ctx.keys.issuerOf(tenantId))
    return 'unknown-issuer'
  if (facts.expiresAt <= ctx.clock.now()) return 'expired'
  if (shown.audience !== undefined && shown.audience !== facts.audience) return 'wrong-audience'
  return isShown(facts.confirmation, shown.confirmation) ? undefined : 'not-bound'
}

function isShown(bound: Confirmation | undefined, shown: Confirmation | undefined): boolean {
  return bound === undefined || JSON.stringify(bound) === JSON.stringify(shown)
}

async function findRevocation(ctx: Context, read: ReadBiscuit): Promise<BiscuitFault | undefined> {
  const version = await inTransaction(ctx, (tx) => requireUsable(tx, read)).catch((error: unknown) => {
    if (error instanceof Problem && error.code !== 'unavailable') return undefined
    throw error
  })
  if (version === undefined) return 'revoked'
  // Its root key may have been revoked since this instance looked.
  const isCurrent = version === read.rootKey.keysVersion
  return isCurrent || (await ctx.keys.findRootKey(read.rootKeyId, ctx.clock.now(), version)) ? undefined : 'revoked'
}

/** Throws unless its session lives and none of its blocks was revoked; gives the version of the tenant's keys. */
async function requireUsable(tx: Transaction, read: ReadBiscuit): Promise<number> {
  const { session: sessionId, agent } = read.facts
  const found = isId('session', sessionId) ? await findSession(tx, sessionId) : undefined
  if (!found || found.session.identityId !== agent) throw new Problem('token-revoked', 'the session has ended')
  requireLive(found.session, found.identity, tx.clock.now())
  await requireUnrevoked(tx, read)
  return found.keysVersion
}
