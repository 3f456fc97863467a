import type { RegisterAgent as RegisterAgentOnWire } from '@agent-iam/contract/agents'
import { registrationProofSeconds, registrationText } from '@agent-iam/contract/agent-proofs'
import type { EnrolmentTokenId, IdentityId, UserId } from '@agent-iam/contract/ids'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { isLabel } from '../capabilities/model.ts'
import { endWithSource, grant, requireHeldBy, requireMayDelegate, requireWithin } from '../capabilities/service.ts'
import type { AgentKey } from '../credentials/model.ts'
import { insertAgentKey, makeAgentKey, readAgentKey, spendEnrolment, verifySignature } from '../credentials/service.ts'
import { defaultAgentEnd, requireRoom } from '../tenants/service.ts'
import { initialTrustScore, noTask, notNarrowed, type Agent } from './model.ts'
import { activateIfVerified } from './life.ts'
import { holdAccountable } from './owners.ts'
import { insertAgent } from './store.ts'
import { findIdentity } from './store/identities.ts'
import { requireFuture } from './writing.ts'

export type RegisterAgent = Omit<RegisterAgentOnWire, 'expiresAt'> & { readonly expiresAt?: Date | undefined }

export interface Registered {
  readonly agent: Agent
  readonly grants: readonly string[]
  readonly stoppedBy: undefined
  readonly key: AgentKey
  /** PKCS#8 PEM, when the server made the key. */
  readonly privateKey: string | undefined
}

const returnsPrivateKey = true

/**
 * Registers an agent for the caller: a person, who will own it, a service, whose owner will, or the bearer of an
 * enrolment token, whose owner will. What it asks for must lie within what the caller may hand out.
 */
export async function registerAgent(ctx: Context | Transaction, input: RegisterAgent): Promise<Registered> {
  const { key, privateKey } =
    input.publicKey === undefined ? makeAgentKey() : { key: readAgentKey(input.publicKey), privateKey: undefined }
  const isProved = privateKey !== undefined || checkProof(ctx, input, key)
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('agents:register', { type: 'agents', ...(privateKey !== undefined && { returnsPrivateKey }) })
    requireFuture(input.expiresAt, tx.clock.now())
    const expiresAt = await endWithSource(tx, input.expiresAt ?? (await defaultAgentEnd(tx)))
    const { owner, enrolmentTokenId } = await admit(tx, { ...input, expiresAt })
    const agent = newAgent(tx, { ...input, expiresAt }, { owner, enrolmentTokenId, isProved })
    await requireRoom(tx, 'agents')
    await insert(tx, agent, key)
    await grant(tx, agent.id, input.capabilities)
    recordEvent(tx, {
      type: 'agent.registered',
      resource: `agent-iam/agents/${agent.id}`,
      data: {
        name: agent.name,
        type: agent.type,
        status: agent.status,
        owner,
        capabilities: input.capabilities,
        keyThumbprint: key.thumbprint,
        enrolmentTokenId: enrolmentTokenId ?? null,
        expiresAt: agent.expiresAt?.toISOString() ?? null,
      },
    })
    const registered = await activateIfVerified(tx, agent)
    const grants = input.capabilities.filter((entry) => !isLabel(entry))
    return { agent: registered, grants, key, privateKey, stoppedBy: undefined }
  })
}

interface Admission {
  readonly owner: UserId
  readonly enrolmentTokenId: EnrolmentTokenId | undefined
}

/** Who will own the agent; throws when more is asked for than the caller may hand out. */
async function admit(tx: Transaction, input: RegisterAgent): Promise<Admission> {
  if (tx.caller.kind === 'enrolment-token') return admitEnrolled(tx, tx.caller.enrolmentTokenId, input)
  if (tx.caller.kind !== 'identity' || tx.caller.identityId.startsWith('agt_'))
    throw new Problem('forbidden', 'a user, a service or an enrolment token registers agents; an agent delegates')
  await requireMayDelegate(tx, input.capabilities, { until: input.expiresAt })
  return { owner: await holdAccountable(tx, tx.caller.identityId), enrolmentTokenId: undefined }
}

async function admitEnrolled(tx: Transaction, id: EnrolmentTokenId, input: RegisterAgent): Promise<Admission> {
  // NOTE: the token before its owner, as by whoever leaves and hands it on.
  const token = await spendEnrolment(tx, id)
  if (token.allowedTypes.length > 0 && !token.allowedTypes.includes(input.type))
    throw new Problem(
      'capability-exceeded',
      `the enrolment token registers ${token.allowedTypes.join(', ')}, not ${input.type}`,
    )
  requireWithin(input.capabilities, token.ceiling, 'the enrolment token’s ceiling')
  const owner = await holdAccountable(tx, token.owner)
  await requireOwnerMayStill(tx, token.owner, input)
  return { owner, enrolmentTokenId: token.id }
}

/** A token acts with its owner's authority of the moment: the ceiling says what it was at most (DESIGN D6). */
async function requireOwnerMayStill(
  tx: Transaction,
  owner: IdentityId,
  { capabilities, expiresAt: until }: RegisterAgent,
): Promise<void> {
  const status = (await findIdentity(tx, owner))?.status
  // Pending is the administrator of an installation whose setup link was not opened yet.
  if (status !== 'active' && status !== 'pending')
    throw new Problem('invalid-token', 'the owner of the enrolment token may not act; ask an administrator for another')
  await requireHeldBy(tx, owner, capabilities, { until })
}

function newAgent(tx: Transaction, input: RegisterAgent, admission: Admission & { isProved: boolean }): Agent {
  const now = tx.clock.now()
  return {
    id: tx.newId('agent'),
    name: input.name,
    type: input.type,
    status: admission.isProved ? 'active' : 'pending',
    owner: admission.owner,
    parent: undefined,
    task: noTask,
    lent: notNarrowed,
    tags: input.tags,
    revision: 1,
    createdBy: actorOf(tx.caller),
    enrolmentTokenId: admission.enrolmentTokenId,
    trustScore: initialTrustScore,
    trustBasis: 'initial',
    labels: input.capabilities.filter(isLabel),
    metadata: input.metadata,
    expiresAt: input.expiresAt,
    createdAt: now,
    updatedAt: now,
    lastActivity: undefined,
  }
}

async function insert(tx: Transaction, agent: Agent, key: AgentKey): Promise<void> {
  if (!(await insertAgent(tx, agent)))
    throw new Problem('already-exists', `the name "${agent.name}" is taken, or looks like one that is`)
  if (!(await insertAgentKey(tx, agent.id, key)))
    throw new Problem('already-exists', 'this public key belongs to another agent; every agent needs its own')
}

/** Whether the registrant showed that it holds the private key; throws when what it showed is wrong. */
function checkProof(ctx: Context | Transaction, { name, proof }: RegisterAgent, key: AgentKey): boolean {
  if (!proof) return false
  const age = Math.abs(ctx.clock.now().getTime() - Date.parse(proof.issuedAt)) / 1000
  const text = registrationText(ctx.keys.issuerOf(ctx.caller.tenantId), name, key.thumbprint, proof.issuedAt)
  if (age <= registrationProofSeconds && verifySignature(key, text, proof.signature)) return true
  throw new Problem(
    'invalid-request',
    'proof: is not a signature by this key over this registration, made just now for this issuer',
    {
      errors: [{ field: 'proof', message: 'does not verify' }],
    },
  )
}
