import type { IdentityId } from '@agent-iam/contract/ids'
import {
  inTransaction,
  type Caller,
  type Confirmation,
  type Context,
  type Transaction,
} from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { findRoot } from '../identities/service.ts'
import { credentialOf, requireLive, type LiveSession } from '../sessions/model.ts'
import { findSession, requireSession } from '../sessions/service.ts'
import { requireUnrevoked } from './caller.ts'
import type { BiscuitFault } from './model.ts'
import { evaluate, type BlockQuestion } from './permits.ts'
import { readBiscuit, type ReadBiscuit } from './read-biscuit.ts'

export interface ShownBiscuit {
  readonly token: string
  readonly audience?: string | undefined
  /** The key that its presenter has shown to the caller. */
  readonly confirmation?: Confirmation | undefined
}

export interface CheckedBiscuit {
  readonly read: ReadBiscuit
  /** Whom it stands for, as if it were presented to our own API by the one who proved its key. */
  readonly presenter: Caller & { kind: 'identity' }
  /** The root identity of the chain of its agent: evaluations of its blocks count against that. */
  readonly root: IdentityId
}

/** Whose a Biscuit of the caller's tenant is, if it is good now; else what is wrong with it. */
export async function checkBiscuit(ctx: Context, shown: ShownBiscuit): Promise<CheckedBiscuit | BiscuitFault> {
  requireSession(ctx.caller)
  const read = await readBiscuit(ctx, shown.token)
  if (typeof read === 'string') return read
  const fault = faultOf(ctx, read, shown)
  if (fault) return fault
  const usable = await findUsable(ctx, read)
  if (!usable) return 'revoked'
  return { read, presenter: presenterOf(ctx, { read, token: shown.token }, usable.session), root: usable.root }
}

/** The caller that the token would make. A session that keeps a Biscuit is not narrowed by another one too. */
function presenterOf(
  { caller: { tenantId, address } }: Context,
  { read: { blocks }, token }: { readonly read: ReadBiscuit; readonly token: string },
  session: LiveSession,
): Caller & { kind: 'identity' } {
  const { id: sessionId, identityId, clientId, expiresAt, method, scope, confirmation, actors } = session
  const attenuation = session.attenuation ?? (blocks > 1 ? token : undefined)
  const proved = { identityId, sessionId, clientId, credential: credentialOf(session), expiresAt, method }
  const narrowed = { scope, confirmation, actors, attenuation }
  return { kind: 'identity', tenantId, address, ...proved, ...narrowed }
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

/** Undefined for a token that was revoked in any way. */
async function findUsable(ctx: Context, read: ReadBiscuit): Promise<Usable | undefined> {
  const usable = await inTransaction(ctx, (tx) => requireUsable(tx, read)).catch((error: unknown) => {
    if (error instanceof Problem && error.code !== 'unavailable') return undefined
    throw error
  })
  if (usable?.keysVersion === read.rootKey.keysVersion) return usable
  // Its root key may have been revoked since this instance looked.
  return usable && (await ctx.keys.findRootKey(read.rootKeyId, ctx.clock.now(), usable.keysVersion))
    ? usable
    : undefined
}

interface Usable {
  readonly session: LiveSession
  /** The root identity of the chain of its agent. */
  readonly root: IdentityId
  /** Of the tenant's keys. */
  readonly keysVersion: number
}

/** Throws unless its session lives and none of its blocks was revoked. */
async function requireUsable(tx: Transaction, read: ReadBiscuit): Promise<Usable> {
  const { session: sessionId, agent } = read.facts
  const found = isId('session', sessionId) ? await findSession(tx, sessionId) : undefined
  if (!found || found.session.identityId !== agent) throw new Problem('token-revoked', 'the session has ended')
  requireLive(found.session, found.identity, tx.clock.now())
  await requireUnrevoked(tx, read)
  const { session, keysVersion } = found
  return { session, root: await findRoot(tx, session.identityId), keysVersion }
}

/** The checks of the blocks that fail what is asked; none where all pass. NOTE: not inside a transaction. */
export async function failedChecks(
  ctx: Context,
  token: string,
  { read, root }: CheckedBiscuit,
  question: BlockQuestion,
): Promise<readonly string[]> {
  if (read.blocks === 1) return []
  const answer = await evaluate(ctx, { token, known: read, root }, question)
  return answer.type === 'denied' ? answer.failed : []
}
