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
import { requireMayMake as requireMayMakeKey } from '../api-keys/service.ts'
import { recordEvent } from '../audit/service.ts'
import { confirmGrants, requireOwnSession, requireScope } from '../capabilities/service.ts'
import { requireMayMakeEnrolmentToken } from '../credentials/service.ts'
import { requireFreshProof } from '../factors/service.ts'
import { lockIdentity } from '../identities/service.ts'
import { holdForCredential } from '../services/service.ts'
import { requireLiveSession, requireSession } from '../sessions/service.ts'
import { defaultAgentEnd } from '../tenants/service.ts'
import type { Creation } from './model.ts'
import { clearSource, findCreation, listCreations, replaceEnd } from './store.ts'

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

/** Lets a creation stand by itself. Throws unless the person is there right now, and may make it now. */
export async function confirmCreation(ctx: Context, id: CreationId, proof: FreshProof): Promise<void> {
  const person = requirePerson(ctx.caller, 'confirm')
  await inTransaction(ctx, (tx) => {
    requireOwnSession(tx, 'what is confirmed')
    return requireCreation(tx, person.userId, id)
  })
  await requireFreshProof(ctx, person.userId, proof)
  await inTransaction(ctx, async (tx) => {
    await holdLogin(tx, person)
    const creation = await requireCreation(tx, person.userId, id)
    await requireMayMake(tx, creation)
    await clearSource(tx, creation)
    const { kind, source, service } = creation
    recordEvent(tx, {
      type: 'creation.confirmed',
      resource: service ? `agent-iam/services/${service}` : `agent-iam/${nouns[kind]}/${id}`,
      data: {
        creationId: id,
        sourceSession: source.sessionId,
        method: source.method,
        clientId: source.clientId ?? null,
      },
    })
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
async function requireMayMake(tx: Transaction, creation: Creation): Promise<void> {
  const { id, service } = creation
  if (service) return holdForCredential(tx, 'services:create-secret', service)
  if (isId('apiKey', id)) return requireMayMakeKey(tx, id)
  if (isId('enrolmentToken', id)) return requireMayMakeEnrolmentToken(tx, id)
  if (isId('client', id)) return tx.authorize('clients:create', { type: 'clients' })
  if (isId('agent', id)) await tx.authorize('agents:register', { type: 'agents' })
  if (isId('service', id)) await tx.authorize('services:create', { type: 'services' })
  if (isId('agent', id) || isId('service', id)) await confirmIdentity(tx, id, creation)
}

/** With what the same session granted it: without that, it could do nothing. */
async function confirmIdentity(tx: Transaction, id: AgentId | ServiceId, creation: Creation): Promise<void> {
  await lockIdentity(tx, id)
  const { sessionId, endsAt } = creation.source
  await confirmGrants(tx, id, { id: sessionId, endsAt })
  await replaceEnd(tx, creation, await defaultAgentEnd(tx))
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

/** Holds the login that asks: it may have ended since its token was looked at. */
async function holdLogin(tx: Transaction, { userId, sessionId }: Person): Promise<void> {
  await lockIdentity(tx, userId)
  await requireLiveSession(tx, sessionId)
}
