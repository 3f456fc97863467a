import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { Json, OpenObject } from '@agent-iam/contract/json'
import { addSeconds } from '../../platform/clock.ts'
import { delegatorOf, sourceSessionOf, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { findSessionEnd } from '../capabilities/service.ts'
import { touchIdentity } from '../identities/service.ts'
import { requireActing } from '../tenants/service.ts'
import { sessionSeconds } from '../tokens/model.ts'
import { issueRefreshToken, type AccessGrant, type Grant } from '../tokens/service.ts'
import { makeRoom } from './limits.ts'
import type { Authority } from './model.ts'
import { insertSession } from './store.ts'

/** How a session begins. What is not said is not there: no client, no narrowing, no binding. */
export interface SessionStart extends Partial<Authority> {
  readonly method: string
  /** The id of what proved the identity, or the thumbprint of a key or certificate. */
  readonly credential?: string | undefined
  /** What the server notes about it, and may rest decisions on. */
  readonly metadata?: Readonly<Record<string, Json>>
  /** What its holder notes about it. */
  readonly notes?: OpenObject
  readonly device?: string | undefined
  /** The session whose token begins this one, and with which it ends. */
  readonly parentId?: SessionId | undefined
  /** Who acts in it for the identity, who began first. */
  readonly actors?: readonly IdentityId[]
  /** The Biscuit whose blocks narrow it. */
  readonly attenuation?: string | undefined
  /** Whose authority it acts with, where that is not the identity's own: who made the API key or the secret. */
  readonly delegator?: IdentityId | undefined
  /** The session by which the credential was created, where it rests on one: with it this one ends. */
  readonly source?: SessionId | undefined
  /** Who begins it, where that is not the identity itself: who made the API key. */
  readonly startedBy?: IdentityId
  /** How long it lasts; unless said, until `notAfter`, or for `sessionSeconds`. */
  readonly seconds?: number
  /** When it ends at the latest: with what it rests on. */
  readonly notAfter?: Date
}

/** Begins a session for an identity that has just proved itself, with a refresh token. */
export async function startSession(tx: Transaction, identityId: IdentityId, start: SessionStart): Promise<Grant> {
  const grant = await openSession(tx, identityId, start)
  return { ...grant, refreshToken: await issueRefreshToken(tx, grant.sessionId) }
}

/** Begins a session that nothing refreshes: who wants another proves itself again. */
export async function openSession(tx: Transaction, identityId: IdentityId, start: SessionStart): Promise<AccessGrant> {
  const now = tx.clock.now()
  const id = tx.newId('session')
  const { method, clientId, scope, confirmation, credential } = start
  const { notes = {}, device, actors = [], attenuation, source } = start
  const delegator = start.delegator ?? delegatorOf(tx.caller)
  const metadata = { ...start.metadata, ...(credential !== undefined && { credential }) }
  const parentId = start.parentId ?? source ?? sourceSessionOf(tx.caller)
  const authority = { method, clientId, scope, confirmation }
  const session = {
    id,
    identityId,
    startedAt: now,
    expiresAt: await endWithParent(tx, endOf(start, now), parentId),
    endedAt: undefined,
    ...authority,
  }
  // First of all: it holds the identity, so that whoever ends its sessions ends this one or comes before it.
  if (!(await touchIdentity(tx, identityId)))
    throw new Problem('identity-inactive', 'who lends the identity authority may not act; ask its owner')
  await requireActing(tx)
  await makeRoom(tx, identityId, start)
  await insertSession(tx, session, { metadata, notes, device, parentId, actors, attenuation, delegator, source })
  recordEvent(tx, {
    type: 'session.started',
    actor: start.startedBy ?? identityId,
    // With a session, that one started it; without, this one is the first of its actor.
    ...(tx.caller.kind !== 'identity' && { authentication: { session: id, credential, client: clientId } }),
    resource: `agent-iam/sessions/${id}`,
    data: { method, ...(clientId !== undefined && { clientId }), ...(scope && { scope: [...scope] }) },
    personal: { subject: identityId, fields: { address: tx.caller.address } },
  })
  return { tenantId: tx.caller.tenantId, identityId, sessionId: id, ...authority }
}

/** No session outlives the one that it was begun with; by time as well, so that caches know its end. */
async function endWithParent(tx: Transaction, end: Date, parentId: SessionId | undefined): Promise<Date> {
  const parentEnd = parentId && (await findSessionEnd(tx, parentId))
  return parentEnd && parentEnd < end ? parentEnd : end
}

function endOf({ seconds, notAfter }: SessionStart, now: Date): Date {
  if (notAfter && seconds === undefined) return notAfter
  const end = addSeconds(now, seconds ?? sessionSeconds)
  return notAfter && notAfter < end ? notAfter : end
}
