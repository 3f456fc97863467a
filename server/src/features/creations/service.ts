/**
 * Creations: what an OAuth client, an exchanged token or an API key made with a person's authority. They end with the
 * session that made them (DESIGN D6), unless the person confirms them with a fresh proof. Then they stand by themselves, as
 * if the person had made them.
 */
import type { CreationId, CreationKind } from '@agent-iam/contract/creations'
import type { FreshProof } from '@agent-iam/contract/factors'
import type { AgentId, ServiceId, SessionId, UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Caller, type Context, type Transaction } from '../../platform/context.ts'
import { isId, toUuid } from '../../platform/ids.ts'
import { readUuidCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { lockApiKey, requireMayMake as requireMayMakeKey } from '../api-keys/service.ts'
import { recordEvent } from '../audit/service.ts'
import { confirmGrants, requireOwnSession, requireScope } from '../capabilities/service.ts'
import { lockEnrolmentToken, requireMayMakeEnrolmentToken } from '../credentials/service.ts'
import { requireFreshProof } from '../factors/service.ts'
import { findAgent, lockIdentity, saveAgent } from '../identities/service.ts'
import { lockForCredential } from '../services/service.ts'
import { requireLiveSession, requireSession } from '../sessions/service.ts'
import type { Creation } from './model.ts'
import { clearSource, findCreation, listCreations } from './store.ts'

export async function pageCreations(
  ctx: Context,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<{ rows: Creation[]; nextCursor: string | null }> {
  const { userId: person } = requirePerson(ctx.caller, 'read')
  const before = readUuidCursor(cursor)
  return inTransaction(ctx, async (tx) =>
    toPage(await listCreations(tx, { person, before, limit: limit + 1 }), limit, ({ id }) => [toUuid(id)]),
  )
}

export interface Confirmation {
  readonly proof: FreshProof
  /** Of an agent; null: none. Undefined: it keeps the end that it has. */
  readonly expiresAt?: Date | null | undefined
}

/** Lets a creation stand by itself. Throws unless the person is there right now, and may make it now. */
export async function confirmCreation(ctx: Context, id: CreationId, { proof, expiresAt }: Confirmation): Promise<void> {
  const person = requirePerson(ctx.caller, 'confirm')
  requireFutureOfAgent(ctx, id, expiresAt)
  await inTransaction(ctx, (tx) => {
    requireOwnSession(tx, 'what is confirmed')
    return requireCreation(tx, person.userId, id)
  })
  await requireFreshProof(ctx, person.userId, proof)
  await inTransaction(ctx, async (tx) => {
    await lockCredential(tx, id)
    await lockLogin(tx, person)
    const creation = await requireCreation(tx, person.userId, id)
    await requireMayMake(tx, creation)
    if (isId('agent', id) || isId('service', id)) await confirmIdentity(tx, id, { person: person.userId, expiresAt })
    if (!(await clearSource(tx, creation))) throw notFound('creations', id)
    record(tx, creation, expiresAt)
  })
}

function requireFutureOfAgent(ctx: Context, id: CreationId, expiresAt: Date | null | undefined): void {
  if (expiresAt === undefined) return
  const message = isId('agent', id) ? 'is past; give an end to come' : 'is of agents only; leave it out'
  if (isId('agent', id) && (expiresAt === null || expiresAt > ctx.clock.now())) return
  throw new Problem('invalid-request', `expiresAt: ${message}`, { errors: [{ field: 'expiresAt', message }] })
}

/** NOTE: the credential before the person, as where a credential is used or changed. The other order is a deadlock. */
async function lockCredential(tx: Transaction, id: CreationId): Promise<void> {
  if (isId('apiKey', id)) await lockApiKey(tx, id)
  if (isId('enrolmentToken', id)) await lockEnrolmentToken(tx, id)
}

function record(tx: Transaction, { id, kind, source, service }: Creation, expiresAt: Date | null | undefined): void {
  recordEvent(tx, {
    type: 'creation.confirmed',
    resource: `agent-iam/${nouns[kind]}/${service ?? id}`,
    data: {
      creationId: id,
      sourceSession: source.sessionId,
      method: source.method,
      clientId: source.clientId ?? null,
      ...(expiresAt !== undefined && { expiresAt: expiresAt?.toISOString() ?? null }),
    },
  })
}

async function requireCreation(tx: Transaction, person: UserId, id: CreationId): Promise<Creation> {
  const creation = await findCreation(tx, person, id)
  if (!creation) throw notFound('creations', id)
  return creation
}

const nouns = {
  agent: 'agents',
  service: 'services',
  secret: 'services',
  apiKey: 'api-keys',
  enrolmentToken: 'enrolment-tokens',
  client: 'clients',
} as const satisfies Record<CreationKind, string>

/** What is confirmed is as good as made by the person now, so the person must be able to make it now. */
async function requireMayMake(tx: Transaction, { id, service }: Creation): Promise<void> {
  if (service) return lockForCredential(tx, 'services:create-secret', service)
  if (isId('apiKey', id)) return requireMayMakeKey(tx, id)
  if (isId('enrolmentToken', id)) return requireMayMakeEnrolmentToken(tx, id)
  if (isId('client', id)) return tx.authorize('clients:create', { type: 'clients' })
  if (isId('agent', id)) await tx.authorize('agents:register', { type: 'agents' })
  if (isId('service', id)) await tx.authorize('services:create', { type: 'services' })
}

/** With what it was granted in the person's name: without that, it could do nothing. */
async function confirmIdentity(
  tx: Transaction,
  id: AgentId | ServiceId,
  { person, expiresAt }: { readonly person: UserId; readonly expiresAt: Date | null | undefined },
): Promise<void> {
  await lockIdentity(tx, id)
  const agent = isId('agent', id) ? await findAgent(tx, id) : undefined
  if (!agent || expiresAt === undefined) return confirmGrants(tx, id, { person })
  const end = expiresAt ?? undefined
  await confirmGrants(tx, id, { person, newEnd: agent.expiresAt && { from: agent.expiresAt, until: end } })
  await saveAgent(tx, { ...agent, expiresAt: end })
}

interface Person {
  readonly userId: UserId
  readonly sessionId: SessionId
}

function requirePerson(caller: Caller, verb: 'read' | 'confirm'): Person {
  const { identityId, sessionId } = requireSession(caller)
  if (!isId('user', identityId)) throw new Problem('forbidden', 'only a person confirms what was made in their name')
  requireScope(caller, `agent-iam/own-creations:${verb}`)
  return { userId: identityId, sessionId }
}

/** Locks the caller's session, which may have ended since its token was validated. */
async function lockLogin(tx: Transaction, { userId, sessionId }: Person): Promise<void> {
  await lockIdentity(tx, userId)
  await requireLiveSession(tx, sessionId)
}
