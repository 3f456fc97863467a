/**
 * Credentials: what proves an identity. Agents have Ed25519 keys, people Argon2id passwords, and enrolment tokens
 * (DESIGN D15) let their bearer register agents. Secrets are kept as digests; a nonce is consumed by a unique insert.
 */
import { verify } from 'node:crypto'
import type { EnrolmentTokenId, IdentityId } from '@agent-iam/contract/ids'
import { MalformedKeyError, parsePublicKey, thumbprint, toPublicJwk } from '@agent-iam/standards/ed25519-key'
import { isCanonicalBase64url } from '@agent-iam/standards/jws'
import { inTransaction, sourceSessionOf, type Caller, type Context, type Transaction } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import { sha256 } from '../../platform/digest.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { openPublicKey, refusalOf } from '../../platform/public-keys.ts'
import { newSecret } from '../../platform/random.ts'
import { recordEvent } from '../audit/service.ts'
import { endWithSource, requireMayDelegate } from '../capabilities/service.ts'
import { requireActing } from '../tenants/service.ts'
import { enrolmentTokenPrefix, isUsable, type AgentKey, type EnrolmentToken } from './model.ts'
import {
  findEnrolmentTokenByDigest,
  findEnrolmentTokenForUpdate,
  findEnrolmentTokenTenant,
  insertEnrolmentToken,
  listEnrolmentTokens,
  updateEnrolmentToken,
} from './store.ts'

export { findAgentKeys, insertAgentKey, insertNonce, revokeAgentKeys, revokeEnrolmentTokensNamed } from './store.ts'
export {
  findImportedHash,
  findPassword,
  findPasswordForUpdate,
  setPassword,
  updatePasswordHash,
} from './store/passwords.ts'
export { bcryptCostMax, hashPassword, isImportable, needsRehash, verifyPassword } from './password.ts'
export { preparePassword } from './password-policy.ts'
export { assertionPurpose, readAssertion } from './assertion.ts'
export { makeDeviceToken, readDeviceToken } from './known-device.ts'
export { anonymousRowSeconds, countAnonymousRow } from './anonymous-rows.ts'
export { logins, passwordOwner } from './password-queues.ts'
export {
  attemptFailed,
  attemptNotMade,
  attemptProved,
  countLogin,
  guardAttempt,
  limitSender,
  loginAccount,
  releasePassword,
  releaseUser,
} from './attempts.ts'
export { handOnEnrolmentTokens, holdEnrolmentTokensOf } from './enrolment-owners.ts'
export { listLoginKeys, liveAgentKeysMax, makeAgentKey, replaceAgentKey } from './agent-keys.ts'
export { countKeys, findKey, listAllKeys, revokeKeys, type StoredAgentKey } from './store/agent-keys.ts'
export { isInForce, readCertificate } from './certificates.ts'
export { endExpiredAgentKeys, endExpiredCertificates, endExpiredEnrolmentTokens } from './expired.ts'
export {
  deleteCertificate,
  findCertificate,
  insertCertificate,
  listCertificates,
  type CertifiedId,
  type StoredCertificate,
} from './store/certificates.ts'

/** Reads a public key in any of the accepted spellings; `invalid-request` says what is wrong with it. */
export function readAgentKey(publicKey: string | Record<string, unknown>): AgentKey {
  try {
    const raw = parsePublicKey(publicKey)
    return { thumbprint: thumbprint(raw), publicKey: Buffer.from(raw) }
  } catch (error) {
    if (!(error instanceof MalformedKeyError)) throw error
    throw new Problem('invalid-request', `publicKey: ${error.message}`, {
      errors: [{ field: 'publicKey', message: error.message }],
    })
  }
}

const signatureBytes = 64

/** Checks a base64url signature of a text by an agent's key. */
export function verifySignature(key: AgentKey, text: string, signature: string): boolean {
  const bytes = Buffer.from(signature, 'base64url')
  if (bytes.length !== signatureBytes || !isCanonicalBase64url(signature)) return false
  const jwk = { ...toPublicJwk(key.publicKey) }
  return refusalOf(jwk) === undefined && verify(null, Buffer.from(text), openPublicKey(jwk).keyObject, bytes)
}

export interface NewEnrolmentToken {
  readonly name: string
  readonly owner: IdentityId
  readonly allowedTypes: readonly string[]
  readonly ceiling: readonly string[]
  readonly quota: number
  readonly ttlSeconds: number
}

/** Makes an enrolment token whose agents the caller will own; what it may hand out, the caller must hold. */
export async function createEnrolmentToken(
  ctx: Context,
  input: Omit<NewEnrolmentToken, 'owner'>,
): Promise<{ token: string; enrolmentToken: EnrolmentToken }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('enrolment-tokens:create', { type: 'enrolment-tokens' })
    await requireMayDelegate(tx, input.ceiling)
    return issueEnrolmentToken(tx, { ...input, owner: requireOwner(tx.caller) })
  })
}

/** Locks an enrolment token until the transaction ends. */
export async function lockEnrolmentToken(tx: Transaction, id: EnrolmentTokenId): Promise<EnrolmentToken> {
  const token = await findEnrolmentTokenForUpdate(tx, id)
  if (!token) throw notFound('enrolment-tokens', id)
  return token
}

/** Locks an enrolment token, and throws unless the caller may create such a token now. */
export async function requireMayMakeEnrolmentToken(tx: Transaction, id: EnrolmentTokenId): Promise<void> {
  const token = await lockEnrolmentToken(tx, id)
  await tx.authorize('enrolment-tokens:create', { type: 'enrolment-tokens' })
  await requireMayDelegate(tx, token.ceiling)
}

/** Makes an enrolment token; the right to do so was checked before. */
export async function issueEnrolmentToken(
  tx: Transaction,
  { ttlSeconds, ...input }: NewEnrolmentToken,
): Promise<{ token: string; enrolmentToken: EnrolmentToken }> {
  const now = tx.clock.now()
  const expiresAt = addSeconds(now, ttlSeconds)
  const token = newSecret(tx.random, enrolmentTokenPrefix)
  const enrolmentToken: EnrolmentToken = {
    ...input,
    id: tx.newId('enrolmentToken'),
    used: 0,
    createdAt: now,
    expiresAt: (await endWithSource(tx, expiresAt)) ?? expiresAt,
    revokedAt: undefined,
    source: sourceSessionOf(tx.caller),
  }
  await insertEnrolmentToken(tx, enrolmentToken, sha256(token))
  const { name, owner, quota } = input
  recordEvent(tx, {
    type: 'enrolment-token.created',
    resource: `agent-iam/enrolment-tokens/${enrolmentToken.id}`,
    data: { name, owner, quota, ceiling: [...input.ceiling], allowedTypes: [...input.allowedTypes] },
  })
  return { token, enrolmentToken }
}

/** Who presents an enrolment token; undefined when it is none, or may no longer be used. */
export async function callerOfEnrolmentToken(ctx: Context, token: string): Promise<Caller | undefined> {
  const digest = sha256(token)
  const tenantId = await inTransaction(ctx, (tx) => findEnrolmentTokenTenant(tx, digest))
  if (!tenantId) return undefined
  const caller = { ...ctx.caller, kind: 'anonymous' as const, tenantId }
  const found = await inTransaction({ ...ctx, caller }, async (tx) => {
    const enrolmentToken = await findEnrolmentTokenByDigest(tx, digest)
    if (enrolmentToken && isUsable(enrolmentToken, tx.clock.now())) await requireActing(tx)
    return enrolmentToken
  })
  if (!found || !isUsable(found, ctx.clock.now())) return undefined
  const { id: enrolmentTokenId, source } = found
  return { kind: 'enrolment-token', enrolmentTokenId, source, tenantId, address: ctx.caller.address }
}

/** Takes one registration off the quota; the row is locked, so two cannot share the last one. */
export async function spendEnrolment(tx: Transaction, id: EnrolmentTokenId): Promise<EnrolmentToken> {
  const token = await findEnrolmentTokenForUpdate(tx, id)
  if (!token || !isUsable(token, tx.clock.now()))
    throw new Problem('invalid-token', 'the enrolment token has ended; ask for another')
  await requireActing(tx)
  if (token.used >= token.quota)
    throw new Problem('quota-spent', `the enrolment token has registered its ${token.quota} agents`)
  const spent = { ...token, used: token.used + 1 }
  await updateEnrolmentToken(tx, spent)
  return spent
}

export async function pageEnrolmentTokens(ctx: Context, query: { limit: number; cursor?: string | undefined }) {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('enrolment-tokens:read', { type: 'enrolment-tokens' })
    const before = readIdCursor('enrolmentToken', query.cursor)
    return toPage(await listEnrolmentTokens(tx, before, query.limit + 1), query.limit, ({ id }) => [id])
  })
}

/** Ends an enrolment token, inside a transaction that may also end what it registered. */
export async function revokeEnrolmentToken(tx: Transaction, id: EnrolmentTokenId): Promise<EnrolmentToken> {
  const token = await lockEnrolmentToken(tx, id)
  await tx.authorize('enrolment-tokens:revoke', { type: 'enrolment-tokens', id, owner: token.owner })
  if (token.revokedAt) throw new Problem('wrong-state', `${id} was revoked already`)
  const revoked = { ...token, revokedAt: tx.clock.now() }
  await updateEnrolmentToken(tx, revoked)
  recordEvent(tx, { type: 'enrolment-token.revoked', resource: `agent-iam/enrolment-tokens/${id}`, narrows: true })
  return revoked
}

function requireOwner(caller: Caller): IdentityId {
  if (caller.kind === 'identity' && !caller.identityId.startsWith('agt_')) return caller.identityId
  throw new Problem('forbidden', 'only a person or a service may own agents')
}
