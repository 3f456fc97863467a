import { childSecondsDefault, childSecondsMin, type DelegateAgent } from '@agent-iam/contract/delegation'
import type { IdentityId, UserId } from '@agent-iam/contract/ids'
import type { StatusReference } from '@agent-iam/standards/status-list'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Caller, type Context, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import type { MintedBiscuit } from '../biscuits/model.ts'
import { mintBiscuit } from '../biscuits/service.ts'
import { isLabel } from '../capabilities/model.ts'
import { grant, requireMayLend } from '../capabilities/service.ts'
import type { AgentKey } from '../credentials/model.ts'
import { insertAgentKey, readAgentKey } from '../credentials/service.ts'
import { chainDepthMax, initialTrustScore, type Agent, type AgentView } from '../identities/model.ts'
import { holdAccountable, insertAgent, viewAgent } from '../identities/service.ts'
import { requireActive } from '../sessions/model.ts'
import { requireSession, startSession } from '../sessions/service.ts'
import { allotStatus } from '../status-lists/service.ts'
import { requireDepth as requireTenantDepth, requireRoom } from '../tenants/service.ts'
import { signTokens, type Grant, type TokenPair } from '../tokens/service.ts'
import { chainEnd, type ChainMember } from './model.ts'
import { holdIdentities, readChain } from './store.ts'

/** How the session of a child begins. */
const delegationMethod = 'delegation'

export interface Delegated extends AgentView {
  /** From the root to the child. */
  readonly chain: readonly IdentityId[]
  readonly tokens: TokenPair
  readonly biscuit: MintedBiscuit | undefined
}

/**
 * Makes a child of the caller, and begins its session. Throws `capability-exceeded`, naming the first thing that is more
 * than the caller may hand on: depth, expiry, or a capability that somebody up the chain does not hold.
 */
export async function delegateAgent(ctx: Context, input: DelegateAgent): Promise<Delegated> {
  const key = input.publicKey === undefined ? undefined : readAgentKey(input.publicKey)
  const { granted, statusList, ...child } = await inTransaction(ctx, (tx) => makeChild(tx, input, key))
  const tokens = await signTokens(ctx, granted)
  return { ...child, tokens, biscuit: statusList && (await mintFor(ctx, child, { ...granted, statusList })) }
}

/** Of the same session, so that one end ends both. */
async function mintFor(
  ctx: Context,
  { agent, grants }: AgentView,
  { tenantId, identityId, sessionId, confirmation, statusList }: Grant & { readonly statusList: StatusReference },
): Promise<MintedBiscuit> {
  const { parent, task, expiresAt } = agent
  if (!expiresAt) throw new Error('a child has an end')
  const session = { tenantId, identityId, sessionId, confirmation, expiresAt, statusList }
  return mintBiscuit(ctx, { ...session, parent, taskId: task.id, rights: grants, isScoped: false })
}

interface Made extends Omit<Delegated, 'tokens' | 'biscuit'> {
  readonly granted: Grant
  /** Of the session, where a Biscuit is to be made of it. */
  readonly statusList: StatusReference | undefined
}

async function makeChild(tx: Transaction, input: DelegateAgent, key: AgentKey | undefined): Promise<Made> {
  const caller = requireSession(tx.caller)
  if (caller.confirmation && !key) throw keyless()
  const owner = await holdLender(tx, caller.identityId)
  const [parent, ...above] = await readChain(tx, caller.identityId)
  if (!parent) throw new Error(`${caller.identityId} has a session and is not there`)
  requireActive(parent, tx.clock.now())
  const lenders = [parent, ...above]
  await tx.authorize('agents:delegate', { type: 'agents', identity: parent.id })
  requireDepth(lenders)
  await requireTenantDepth(tx, lenders.length)
  await requireMayLend(tx, input.capabilities)
  if (input.biscuit) requireUnbound(caller, lenders)
  const seconds = lifeOf(tx, input.ttlSeconds, lenders)
  await requireRoom(tx, 'children', { parent: parent.id })
  const agent = childOf(tx, parent, { input, caller, seconds, owner })
  await insertChild(tx, agent, key)
  await grant(tx, agent.id, input.capabilities)
  const confirmation = key && { jkt: key.thumbprint }
  const chain = [...lenders.map(({ id }) => id).toReversed(), agent.id]
  recordChild(tx, agent, { input, chain, key })
  const start = { method: delegationMethod, confirmation, seconds, startedBy: parent.id }
  const granted = await startSession(tx, agent.id, start)
  const view = await viewAgent(tx, agent)
  // Last of all, as who begins a list keeps others waiting.
  const ends = addSeconds(tx.clock.now(), seconds)
  const statusList = input.biscuit ? await allotStatus(tx, granted.sessionId, ends) : undefined
  return { ...view, chain, granted, statusList }
}

/**
 * Holds who lends, so that whoever stops it, or makes its last allowed child, comes before or after; and the person who
 * will answer for the child. People are held before agents, as by whoever leaves.
 */
async function holdLender(tx: Transaction, id: IdentityId): Promise<UserId> {
  if (isId('user', id)) await holdIdentities(tx, [id])
  const owner = await holdAccountable(tx, id)
  await holdIdentities(tx, [id])
  return owner
}

/** What is made with a bound token is bound too: nobody gets out of it a token that whoever finds it can use. */
function keyless(): Problem {
  const message = 'the caller’s token is bound to a key, so the child needs one of its own'
  return new Problem('invalid-request', `publicKey: ${message}`, { errors: [{ field: 'publicKey', message }] })
}

/** Who verifies a Biscuit elsewhere sees its own blocks only, not those that its maker is bound by. */
function requireUnbound({ attenuation }: Caller & { kind: 'identity' }, lenders: readonly ChainMember[]): void {
  if (attenuation === undefined && lenders.every(({ lent }) => lent.blocks === undefined)) return
  throw new Problem(
    'capability-exceeded',
    'a child made within the blocks of an attenuated token gets no Biscuit; it has its access token',
  )
}

function requireDepth(lenders: readonly ChainMember[]): void {
  if (lenders.length <= chainDepthMax) return
  throw new Problem(
    'capability-exceeded',
    `a child at depth ${lenders.length} lies beyond ${chainDepthMax}, the deepest`,
  )
}

/** How long the child lives, in seconds; what is not asked for is at most what is left of its lenders. */
function lifeOf(tx: Transaction, asked: number | undefined, lenders: readonly ChainMember[]): number {
  const end = chainEnd(lenders)
  if (!end) return asked ?? childSecondsDefault
  const left = Math.floor((end.getTime() - tx.clock.now().getTime()) / 1000)
  if ((asked ?? childSecondsMin) <= left) return asked ?? Math.min(childSecondsDefault, left)
  throw new Problem(
    'capability-exceeded',
    `a life of ${asked ?? childSecondsMin} seconds lies beyond ${end.toISOString()}, when who lends the authority ends`,
  )
}

interface Wanted {
  readonly input: DelegateAgent
  readonly caller: Caller & { kind: 'identity' }
  readonly seconds: number
  readonly owner: UserId
}

function childOf(tx: Transaction, parent: ChainMember, { input, caller, seconds, owner }: Wanted): Agent {
  const now = tx.clock.now()
  const { name, type, taskId, taskScope, metadata, capabilities } = input
  return {
    id: tx.newId('agent'),
    name,
    type,
    status: 'active',
    owner,
    parent: parent.id,
    task: { id: taskId, scope: taskScope },
    // What is made with a token carries that token's narrowing.
    lent: { scope: caller.scope, blocks: caller.attenuation },
    tags: [],
    revision: 1,
    createdBy: parent.id,
    enrolmentTokenId: undefined,
    trustScore: Math.min(parent.trustScore ?? initialTrustScore, initialTrustScore),
    trustBasis: 'initial',
    labels: capabilities.filter(isLabel),
    metadata,
    expiresAt: addSeconds(now, seconds),
    createdAt: now,
    updatedAt: now,
    lastActivity: undefined,
  }
}

async function insertChild(tx: Transaction, agent: Agent, key: AgentKey | undefined): Promise<void> {
  if (!(await insertAgent(tx, agent)))
    throw new Problem('already-exists', `another child is named "${agent.name}", or looks so; choose another name`)
  if (key && !(await insertAgentKey(tx, agent.id, key)))
    throw new Problem('already-exists', 'this public key belongs to another agent; every agent needs its own')
}

interface Recorded {
  readonly input: DelegateAgent
  readonly chain: readonly IdentityId[]
  readonly key: AgentKey | undefined
}

function recordChild(tx: Transaction, agent: Agent, { input, chain, key }: Recorded): void {
  const { taskId, taskScope, capabilities } = input
  recordEvent(tx, {
    type: 'agent.delegated',
    resource: `agent-iam/agents/${agent.id}`,
    chain,
    data: {
      name: agent.name,
      type: agent.type,
      owner: agent.owner,
      capabilities,
      taskId: taskId ?? null,
      expiresAt: agent.expiresAt?.toISOString() ?? null,
      keyThumbprint: key?.thumbprint ?? null,
      scope: agent.lent.scope ? [...agent.lent.scope] : null,
      attenuated: agent.lent.blocks !== undefined,
    },
    ...(taskScope !== undefined && { personal: { subject: 'month', fields: { taskScope } } }),
  })
}
