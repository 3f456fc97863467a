/**
 * SDK tokens: a person's lasting login on a device, 90 days, whose refresh token is traded with each use. Each is a
 * session of its own, so its end is exact. None makes or brings back another: for that the person logs in.
 */
import type { SdkTokenId, SessionId, UserId } from '@agent-iam/contract/ids'
import { sdkTokensMax } from '@agent-iam/contract/sdk-tokens'
import {
  inTransaction,
  type Caller,
  type Confirmation,
  type Context,
  type Transaction,
} from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { requireMayDelegate, requireScope } from '../capabilities/service.ts'
import { lockIdentity } from '../identities/service.ts'
import { signTokens, type Grant, type TokenPair } from '../tokens/service.ts'
import { endWithDescendants } from './ending.ts'
import { requireLiveSession } from './manage.ts'
import { sdkTokenMethod, sdkTokenSeconds, statusOf, type SdkToken } from './model.ts'
import { requireSession } from './service.ts'
import { startSession } from './start.ts'
import {
  countSdkTokens,
  findSdkToken,
  insertSdkToken,
  listActiveSdkTokens,
  listSdkTokens,
  replaceSession,
} from './store/sdk-tokens.ts'

export interface SdkTokenWithSecrets {
  readonly token: SdkToken
  readonly tokens: TokenPair
}

/** Gives a device tokens of its own. They may do what is asked for, within what the caller's session may. */
export async function createSdkToken(
  ctx: Context,
  { device, scopes }: { readonly device: string; readonly scopes?: readonly string[] | undefined },
): Promise<SdkTokenWithSecrets> {
  const person = requireLoggedIn(ctx.caller, 'create')
  const made = await inTransaction(ctx, async (tx) => {
    await holdLogin(tx, person)
    await requireRoom(tx, person.userId)
    const id = tx.newId('sdkToken')
    const grant = await startDeviceSession(tx, person, { id, device, scope: scopes ?? person.scope })
    await insertSdkToken(tx, { id, userId: person.userId, sessionId: grant.sessionId, device })
    record(tx, 'sdk-token.created', { id, userId: person.userId, device })
    return { grant, token: await requireSdkToken(tx, person.userId, id) }
  })
  return { token: made.token, tokens: await signTokens(ctx, made.grant) }
}

/** Gives the device of a token that was lost or revoked new ones. What the old one had left ends with this. */
export async function recoverSdkToken(ctx: Context, id: SdkTokenId): Promise<SdkTokenWithSecrets> {
  const person = requireLoggedIn(ctx.caller, 'recover')
  const { userId } = person
  const recovered = await inTransaction(ctx, async (tx) => {
    await holdLogin(tx, person)
    const { sessionId, device, scope } = await requireSdkToken(tx, userId, id)
    await endWithDescendants(tx, { id: sessionId, identityId: userId }, 'recovered')
    await requireRoom(tx, userId)
    const grant = await startDeviceSession(tx, person, { id, device, scope: scope ?? person.scope })
    await replaceSession(tx, id, grant.sessionId)
    record(tx, 'sdk-token.recovered', { id, userId, device })
    return { grant, token: await requireSdkToken(tx, userId, id) }
  })
  return { token: recovered.token, tokens: await signTokens(ctx, recovered.grant) }
}

export async function getSdkToken(ctx: Context, id: SdkTokenId): Promise<SdkToken> {
  const { userId } = requirePerson(ctx.caller, 'read')
  return inTransaction(ctx, (tx) => requireSdkToken(tx, userId, id))
}

export async function pageSdkTokens(
  ctx: Context,
  query: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ rows: SdkToken[]; nextCursor: string | null }> {
  const { userId } = requirePerson(ctx.caller, 'read')
  const page = { before: readIdCursor('sdkToken', query.cursor), limit: query.limit + 1 }
  return inTransaction(ctx, async (tx) => toPage(await listSdkTokens(tx, userId, page), query.limit, ({ id }) => [id]))
}

export async function countOwnSdkTokens(ctx: Context) {
  const { userId } = requirePerson(ctx.caller, 'read')
  const counts = await inTransaction(ctx, (tx) => countSdkTokens(tx, userId))
  return { ...counts, total: counts.active + counts.revoked + counts.expired }
}

export async function revokeSdkToken(ctx: Context, id: SdkTokenId): Promise<SdkToken> {
  const { userId } = requirePerson(ctx.caller, 'revoke')
  return inTransaction(ctx, async (tx) => {
    await lockIdentity(tx, userId)
    const token = await requireSdkToken(tx, userId, id)
    if (statusOf(token, tx.clock.now()) !== 'active')
      throw new Problem('wrong-state', `SDK token ${id} has ended already`)
    await endToken(tx, token)
    return requireSdkToken(tx, userId, id)
  })
}

/** Ends all that are active; how many those were. */
export async function revokeAllSdkTokens(ctx: Context): Promise<number> {
  const { userId } = requirePerson(ctx.caller, 'revoke')
  return inTransaction(ctx, async (tx) => {
    await lockIdentity(tx, userId)
    const active = await listActiveSdkTokens(tx, userId)
    for (const token of active) await endToken(tx, token)
    return active.length
  })
}

interface Person {
  readonly userId: UserId
  readonly sessionId: SessionId
  readonly scope: readonly string[] | undefined
  readonly confirmation: Confirmation | undefined
}

type Verb = 'create' | 'read' | 'revoke' | 'recover'

/** These are a person's own affair: nobody is asked for permission, but a narrowed session must reach them. */
function requirePerson(caller: Caller, verb: Verb): Person & { readonly method: string } {
  const { identityId, sessionId, scope, confirmation, method } = requireSession(caller)
  if (!isId('user', identityId)) throw new Problem('forbidden', 'SDK tokens are for people; agents log in by their key')
  requireScope(caller, `agent-iam/own-sdk-tokens:${verb}`)
  return { userId: identityId, sessionId, scope, confirmation, method }
}

/** Whoever holds a lasting token must not be able to make it last for ever. */
function requireLoggedIn(caller: Caller, verb: Verb): Person {
  const person = requirePerson(caller, verb)
  if (person.method === sdkTokenMethod)
    throw new Problem('forbidden', 'an SDK token cannot do this; log in, then try again')
  return person
}

/**
 * Holds the login that asks. It may have ended since its token was looked at, by a new password say; what is begun with it
 * would outlive that. Nor does a client that was let in make what would outlive its grant.
 */
async function holdLogin(tx: Transaction, { userId, sessionId }: Person): Promise<void> {
  await lockIdentity(tx, userId)
  const { clientId } = await requireLiveSession(tx, sessionId)
  if (clientId !== undefined)
    throw new Problem('forbidden', 'a client that was let in cannot do this; log in yourself, then try again')
}

async function requireRoom(tx: Transaction, userId: UserId): Promise<void> {
  const { active } = await countSdkTokens(tx, userId)
  if (active >= sdkTokensMax) throw new Problem('quota-spent', `you have ${active} SDK tokens; revoke one first`)
}

/** Bound to the key that the person's own session is bound to, if any: what is made with a token carries its binding. */
async function startDeviceSession(
  tx: Transaction,
  { userId, confirmation }: Person,
  {
    id,
    device,
    scope,
  }: { readonly id: SdkTokenId; readonly device: string; readonly scope: readonly string[] | undefined },
): Promise<Grant> {
  if (scope) await requireMayDelegate(tx, scope)
  const start = { method: sdkTokenMethod, credential: id, scope, confirmation, device, seconds: sdkTokenSeconds }
  return startSession(tx, userId, start)
}

async function endToken(tx: Transaction, { id, userId, sessionId, device }: SdkToken): Promise<void> {
  await endWithDescendants(tx, { id: sessionId, identityId: userId }, 'SDK token revoked')
  record(tx, 'sdk-token.revoked', { id, userId, device })
}

async function requireSdkToken(tx: Transaction, userId: UserId, id: SdkTokenId): Promise<SdkToken> {
  const token = await findSdkToken(tx, userId, id)
  if (!token) throw notFound('sdk-tokens', id)
  return token
}

function record(
  tx: Transaction,
  type: 'sdk-token.created' | 'sdk-token.recovered' | 'sdk-token.revoked',
  { id, userId, device }: { readonly id: SdkTokenId; readonly userId: UserId; readonly device: string },
): void {
  recordEvent(tx, {
    type,
    resource: `agent-iam/sdk-tokens/${id}`,
    personal: { subject: userId, fields: { device } },
    narrows: type === 'sdk-token.revoked',
  })
}
