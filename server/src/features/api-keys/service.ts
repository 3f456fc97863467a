/**
 * API keys: secrets that act as an identity without a login, within their scopes and until they end. Digests alone are
 * kept. Each secret of a key has a session of its own, so that ending one is exact like the end of any session, and a
 * rotation may leave the secret before a grace. A caller by API key makes and changes no credentials.
 */
import { apiKeyPrefix, apiKeyShownCharacters, apiKeysMax, type CreateApiKey } from '@agent-iam/contract/api-keys'
import type { EventType } from '@agent-iam/contract/event-types'
import type { ApiKeyId, IdentityId, SessionId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import {
  delegatorOf,
  inTransaction,
  type Caller,
  type Context,
  type PlatformAction,
  type Transaction,
} from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { isId } from '../../platform/ids.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { newSecret } from '../../platform/random.ts'
import { recordEvent } from '../audit/service.ts'
import {
  endWithSource,
  listHeld,
  listReach,
  requireHolds,
  requireMayDelegate,
  requireScope,
  requireWithin,
} from '../capabilities/service.ts'
import { intersection } from '../capabilities/model.ts'
import { findAgent, lockIdentity, protectAgent } from '../identities/service.ts'
import { requireActive } from '../sessions/model.ts'
import { apiKeyMethod, sdkTokenMethod } from '../sessions/model.ts'
import { endSession, openSession, recordEnd, requireSession, shortenSession } from '../sessions/service.ts'
import { holdService } from '../services/service.ts'
import { changeStatus, requireUnexpired, type ApiKey } from './model.ts'
import {
  countApiKeys,
  deleteKeySecrets,
  findApiKey,
  findApiKeyForUpdate,
  insertApiKey,
  insertKeySecret,
  listApiKeys,
  listKeySessions,
  retirePresent,
  updateApiKey,
  updatePresentSession,
} from './store.ts'

export { callerOfApiKey } from './caller.ts'
export { endExpiredApiKeys } from './expired.ts'

/** A key with its secret, which is told once. */
export interface MadeKey {
  readonly apiKey: ApiKey
  readonly secret: string
}

const daySeconds = 86_400

/** Makes a key for the caller, or for a service or agent of its own. It can do no more than either of them. */
export async function createApiKey(ctx: Context, input: CreateApiKey): Promise<MadeKey> {
  return inTransaction(ctx, async (tx) => {
    const { identityId: owner } = requireSession(tx.caller)
    requireScope(tx.caller, 'agent-iam/api-keys:create')
    const identityId = input.for ?? owner
    requireNotOfDevice(tx.caller, identityId)
    await requireMayActFor(tx, identityId)
    const scopes = input.scopes ?? (await narrowingFor(tx, identityId))
    if ((await countApiKeys(tx, identityId)) >= apiKeysMax)
      throw new Problem('quota-spent', `${identityId} has ${apiKeysMax} API keys; delete one first`)
    const secret = newSecret(tx.random, apiKeyPrefix)
    const now = tx.clock.now()
    const expiresAt = addSeconds(now, input.expiresInDays * daySeconds)
    await requireMayLend(tx, { identityId, scopes, expiresAt })
    const apiKey: ApiKey = {
      id: tx.newId('apiKey'),
      name: input.name,
      prefix: secret.slice(0, apiKeyShownCharacters),
      identityId,
      owner,
      scopes,
      status: 'active',
      createdAt: now,
      expiresAt: (await endWithSource(tx, expiresAt)) ?? expiresAt,
      lastUsedAt: undefined,
    }
    await insertApiKey(tx, apiKey)
    await insertKeySecret(tx, apiKey.id, { digest: sha256(secret), sessionId: await openKeySession(tx, apiKey) })
    const data = { name: apiKey.name, identityId, scopes: scopes ? [...scopes] : null }
    recordChange(tx, 'api-key.created', apiKey, { ...data, expiresAt: apiKey.expiresAt.toISOString() })
    return { apiKey, secret }
  })
}

export async function getApiKey(ctx: Context, id: ApiKeyId): Promise<ApiKey> {
  return inTransaction(ctx, async (tx) => requireFor(tx, 'api-keys:read', await findApiKey(tx, id), id))
}

/** Everybody sees its own keys and those it made; all of them, who may read them. */
export async function pageApiKeys(
  ctx: Context,
  query: { limit: number; cursor?: string | undefined; whose: 'own' | 'all' },
): Promise<{ rows: ApiKey[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    const { identityId } = requireSession(tx.caller)
    if (query.whose === 'all') await tx.authorize('api-keys:read', { type: 'api-keys' })
    else requireScope(tx.caller, 'agent-iam/api-keys:read')
    const before = readIdCursor('apiKey', query.cursor)
    const of = query.whose === 'own' ? identityId : undefined
    return toPage(await listApiKeys(tx, { of, before }, query.limit + 1), query.limit, ({ id }) => [id])
  })
}

export async function disableApiKey(ctx: Context, id: ApiKeyId): Promise<ApiKey> {
  return inTransaction(ctx, async (tx) => {
    const disabled = changeStatus(await requireForChange(tx, 'api-keys:disable', id), 'disabled')
    await updateApiKey(tx, disabled)
    await endKeySessions(tx, disabled, 'API key disabled')
    await deleteKeySecrets(tx, id, 'before')
    recordChange(tx, 'api-key.disabled', disabled)
    return disabled
  })
}

export async function enableApiKey(ctx: Context, id: ApiKeyId): Promise<ApiKey> {
  return inTransaction(ctx, async (tx) => {
    const enabled = changeStatus(await requireForChange(tx, 'api-keys:enable', id), 'active')
    requireUnexpired(enabled, tx.clock.now())
    await requireMayLend(tx, enabled)
    await updateApiKey(tx, enabled)
    await updatePresentSession(tx, id, await openKeySession(tx, enabled))
    recordChange(tx, 'api-key.enabled', enabled)
    return enabled
  })
}

/** Another secret for the same key. The one before ends at once, or after the grace; what was before that, at once. */
export async function rotateApiKey(ctx: Context, id: ApiKeyId, graceSeconds: number): Promise<MadeKey> {
  return inTransaction(ctx, async (tx) => {
    const key = await requireForChange(tx, 'api-keys:rotate', id)
    requireOwnWherePersonal(tx.caller, key)
    requireNotOfDevice(tx.caller, key.identityId)
    if (key.status !== 'active') throw new Problem('wrong-state', `${id} is ${key.status}`)
    requireUnexpired(key, tx.clock.now())
    await requireMayLend(tx, key)
    await deleteKeySecrets(tx, id, 'before')
    await retireSecrets(tx, key, graceSeconds)
    const secret = newSecret(tx.random, apiKeyPrefix)
    const apiKey: ApiKey = { ...key, prefix: secret.slice(0, apiKeyShownCharacters) }
    await updateApiKey(tx, apiKey)
    await insertKeySecret(tx, id, { digest: sha256(secret), sessionId: await openKeySession(tx, apiKey) })
    recordChange(tx, 'api-key.rotated', apiKey, { graceSeconds })
    return { apiKey, secret }
  })
}

/** Ends a key for good. Its row stays, so that the log can name it. */
export async function deleteApiKey(ctx: Context, id: ApiKeyId): Promise<ApiKey> {
  return inTransaction(ctx, async (tx) => {
    const deleted = changeStatus(await requireForChange(tx, 'api-keys:delete', id), 'deleted')
    await updateApiKey(tx, deleted)
    await endKeySessions(tx, deleted, 'API key deleted')
    await deleteKeySecrets(tx, id, 'all')
    recordChange(tx, 'api-key.deleted', deleted)
    return deleted
  })
}

/** Locks an API key until the transaction ends. */
export async function lockApiKey(tx: Transaction, id: ApiKeyId): Promise<ApiKey> {
  const key = await findApiKeyForUpdate(tx, id)
  if (!key || key.status === 'deleted') throw notFound('api-keys', id)
  return key
}

/** Locks an API key, and throws unless the caller may create such a key now. */
export async function requireMayMake(tx: Transaction, id: ApiKeyId): Promise<void> {
  const key = await lockApiKey(tx, id)
  requireScope(tx.caller, 'agent-iam/api-keys:create')
  requireNotOfDevice(tx.caller, key.identityId)
  await requireMayActFor(tx, key.identityId)
  await requireMayLend(tx, key)
}

/** Holds the identity that will act with a key, and throws unless the caller may make credentials of it. */
async function requireMayActFor(tx: Transaction, identityId: IdentityId): Promise<void> {
  if (isId('service', identityId)) {
    if (requireSession(tx.caller).identityId === identityId) return lockIdentity(tx, identityId)
    return requireActive(await holdService(tx, 'services:create-secret', identityId), tx.clock.now())
  }
  if (isId('agent', identityId)) {
    await lockIdentity(tx, identityId)
    const agent = await findAgent(tx, identityId)
    if (!agent) throw notFound('agents', identityId)
    await tx.authorize('agents:create-api-key', await protectAgent(tx, agent))
    return requireActive(agent, tx.clock.now())
  }
  return lockIdentity(tx, identityId)
}

/** Who rotates a key learns its secret: with a person's, an administrator would act under that person's name. */
function requireOwnWherePersonal(caller: Caller, { id, identityId }: ApiKey): void {
  if (!isId('user', identityId) || requireSession(caller).identityId === identityId) return
  throw new Problem('forbidden', `${id} acts as a person, who alone rotates it; disable or delete it instead`)
}

/** The tokens of a device end when they are revoked: none of them makes its person a key that goes on. */
function requireNotOfDevice(caller: Caller, identityId: IdentityId): void {
  const { identityId: self, method } = requireSession(caller)
  if (method === sdkTokenMethod && self === identityId)
    throw new Problem('forbidden', 'an SDK token makes no API key of its person; log in for this')
}

/** Who makes a secret could use it, so it must hold whatever the secret can do; a key of one's own is oneself. */
async function requireMayLend(
  tx: Transaction,
  key: Pick<ApiKey, 'identityId' | 'scopes' | 'expiresAt'>,
): Promise<void> {
  const held = await listHeld(tx, key.identityId)
  requireWithin(key.scopes ?? [], held, 'what the identity holds')
  const entries = key.scopes ?? (await reachedBy(tx, key, held))
  if (requireSession(tx.caller).identityId === key.identityId) return requireHolds(tx, entries)
  return requireMayDelegate(tx, entries, { until: key.expiresAt })
}

/** A whole key of another comes to all that this one comes to, later or under conditions too; one's own is oneself. */
async function reachedBy(tx: Transaction, { identityId }: Pick<ApiKey, 'identityId'>, held: readonly string[]) {
  return requireSession(tx.caller).identityId === identityId ? held : listReach(tx, identityId)
}

/** What a narrowed session makes stays narrow, also where the identity is given more later. */
async function narrowingFor(tx: Transaction, identityId: IdentityId): Promise<readonly string[] | undefined> {
  const { scope, identityId: self, delegator } = requireSession(tx.caller)
  if (scope === undefined) return undefined
  if (identityId !== self) return listHeld(tx, identityId)
  // What the creator of the caller's credential holds may be more than the caller has.
  return delegator ? intersection(scope, await listHeld(tx, self)) : scope
}

async function requireForChange(tx: Transaction, action: PlatformAction, id: ApiKeyId): Promise<ApiKey> {
  return requireFor(tx, action, await findApiKeyForUpdate(tx, id), id)
}

/** Whose key it is may look after it, and who made it, where it may act at all. */
async function requireFor(
  tx: Transaction,
  action: PlatformAction,
  key: ApiKey | undefined,
  id: ApiKeyId,
): Promise<ApiKey> {
  if (!key || key.status === 'deleted') throw notFound('api-keys', id)
  const isOwn = tx.caller.kind === 'identity' && tx.caller.identityId === key.identityId
  const owner = isOwn ? key.identityId : key.owner
  await tx.authorize(action, { type: 'api-keys', id, owner, identity: key.identityId })
  return key
}

async function openKeySession(tx: Transaction, key: ApiKey): Promise<SessionId> {
  const { sessionId } = await openSession(tx, key.identityId, {
    method: apiKeyMethod,
    scope: key.scopes,
    startedBy: requireSession(tx.caller).identityId,
    credential: key.id,
    metadata: { apiKeyId: key.id },
    notAfter: key.expiresAt,
    delegator: key.owner === key.identityId ? delegatorOf(tx.caller) : key.owner,
  })
  return sessionId
}

async function retireSecrets(tx: Transaction, key: ApiKey, graceSeconds: number): Promise<void> {
  if (graceSeconds === 0) {
    await endKeySessions(tx, key, 'API key rotated')
    return deleteKeySecrets(tx, key.id, 'all')
  }
  for (const id of await listKeySessions(tx, key.id))
    await shortenSession(tx, id, addSeconds(tx.clock.now(), graceSeconds))
  return retirePresent(tx, key.id)
}

async function endKeySessions(tx: Transaction, { id, identityId }: ApiKey, reason: string): Promise<void> {
  for (const sessionId of await listKeySessions(tx, id))
    if (await endSession(tx, sessionId, reason)) recordEnd(tx, sessionId, { identityId, reason })
}

function recordChange(tx: Transaction, type: EventType, key: ApiKey, data: EventData = {}): void {
  const narrows = type !== 'api-key.created' && type !== 'api-key.enabled'
  recordEvent(tx, { type, resource: `agent-iam/api-keys/${key.id}`, data, narrows })
}

type EventData = NonNullable<Parameters<typeof recordEvent>[1]['data']>
