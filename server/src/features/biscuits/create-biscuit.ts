import type { AgentId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Caller, type Context, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { findAgent, lockIdentity } from '../identities/service.ts'
import { credentialOf, requireLive, type LiveSession } from '../sessions/model.ts'
import { findSession, openSession, requireSession } from '../sessions/service.ts'
import { allotStatus } from '../status-lists/service.ts'
import { mintBiscuit } from './mint.ts'
import { biscuitMethod, wholeSeconds, type BiscuitGrant, type MintedBiscuit } from './model.ts'
import { rightsFor } from './rights.ts'

export interface BiscuitWish {
  readonly capabilities?: readonly string[] | undefined
  readonly expiresInSeconds: number
}

/** Begins a session of the calling agent, within its present one, and gives the Biscuit that presents it. */
export async function createBiscuit(ctx: Context, wish: BiscuitWish): Promise<BiscuitGrant & MintedBiscuit> {
  const caller = requireSession(ctx.caller)
  const agentId = requireMint(caller)
  const grant = await inTransaction(ctx, (tx) => begin(tx, { caller, agentId }, wish))
  return { ...grant, ...(await mintBiscuit(ctx, grant)) }
}

function requireMint({ identityId }: Caller & { kind: 'identity' }): AgentId {
  if (isId('agent', identityId)) return identityId
  throw new Problem('forbidden', 'Biscuits are for agents; this is none')
}

async function begin(
  tx: Transaction,
  { caller, agentId }: { readonly caller: Caller & { kind: 'identity' }; readonly agentId: AgentId },
  { capabilities, expiresInSeconds }: BiscuitWish,
): Promise<BiscuitGrant> {
  await tx.authorize('sessions:create', { type: 'sessions', identity: agentId })
  // Held from here on: whoever ends the agent, or its sessions, comes before or after.
  await lockIdentity(tx, agentId)
  const parent = await requireLiveSession(tx, caller)
  const agent = await findAgent(tx, agentId)
  const now = tx.clock.now()
  const ends = [addSeconds(now, expiresInSeconds), parent.expiresAt, agent?.expiresAt ?? parent.expiresAt]
  const expiresAt = wholeSeconds(new Date(Math.min(...ends.map((end) => end.getTime()))))
  const scope = capabilities ?? caller.scope
  const rights = await rightsFor(tx, capabilities)
  const { confirmation } = caller
  const { clientId, actors } = parent
  const { sessionId, tenantId } = await openSession(tx, agentId, {
    method: biscuitMethod,
    clientId,
    credential: credentialOf(parent),
    scope,
    confirmation,
    actors,
    parentId: caller.sessionId,
    notAfter: expiresAt,
  })
  const made = { tenantId, identityId: agentId, parent: agent?.parent, taskId: agent?.task.id, sessionId }
  // Last of all, as who begins a list keeps others waiting.
  const statusList = await allotStatus(tx, sessionId, expiresAt)
  return { ...made, rights, isScoped: scope !== undefined, expiresAt, confirmation, statusList }
}

async function requireLiveSession(tx: Transaction, caller: Caller & { kind: 'identity' }): Promise<LiveSession> {
  const found = await findSession(tx, caller.sessionId)
  if (!found) throw new Problem('token-revoked', 'the session has ended; log in again')
  requireLive(found.session, found.identity, tx.clock.now())
  return found.session
}
