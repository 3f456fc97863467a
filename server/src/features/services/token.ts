import type { TokenRequest } from '@agent-iam/contract/token'
import type { ServiceId } from '@agent-iam/contract/ids'
import { decodeJwt } from 'jose'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { listHeld, requireWithin } from '../capabilities/service.ts'
import { activateAgent, findAgentForUpdate } from '../identities/service.ts'
import { requireActive } from '../sessions/model.ts'
import { boundKey, noting, openSession } from '../sessions/service.ts'
import { accessTokenSeconds } from '../tokens/model.ts'
import { signAccessToken, tokenTypeOf } from '../tokens/service.ts'
import type { Admissions, Admitted } from './admissions.ts'
import {
  authenticateClient,
  findDelegation,
  requireStillProved,
  type ClientProof,
  type ProvedClient,
} from './client.ts'
import type { ClientId } from './model.ts'
import { formatScope, parseScope } from './scope.ts'
import { findServiceForUpdate } from './store/services.ts'

export interface IssuedToken {
  readonly accessToken: string
  readonly tokenType: 'Bearer' | 'DPoP'
  readonly expiresIn: number
  readonly scope: string
}

/**
 * The client credentials grant (RFC 6749 §4.4): a client proves itself and gets an access token for our own API. The
 * session behind it lasts as long as the token: who wants another proves itself again.
 */
export async function issueToken(ctx: Context, admissions: Admissions, request: TokenRequest): Promise<IssuedToken> {
  const { clientId, proof } = readProof(request, ctx.caller.certificateThumbprint !== undefined)
  const asked = request.scope === undefined ? undefined : parseScope(request.scope)
  const tenantId = await admissions.tenantOf(ctx, clientId)
  requireOurs(ctx.keys.issuerOf(tenantId), request.resource)
  const there = asCaller(ctx, { ...ctx.caller, tenantId })
  const login = { method: 'client-proof', account: admissions.isKnown(clientId) ? clientId : undefined } as const
  const { grant, scope } = await noting(there, login, () =>
    proof.method === 'client-secret' && isId('service', clientId) && !ctx.caller.dpop
      ? admissions.admit(ctx, { id: clientId, tenantId, digest: sha256(proof.secret), asked })
      : admitAlone(there, { clientId, proof, asked }),
  )
  const accessToken = await signAccessToken(ctx, grant)
  return { accessToken, tokenType: tokenTypeOf(grant.confirmation), expiresIn: accessTokenSeconds, scope }
}

/** What the client sent to prove itself: one way, and one only (RFC 6749 §2.3). */
function readProof(request: TokenRequest, showsCertificate: boolean): { clientId: ClientId; proof: ClientProof } {
  const proof = proofOf(request, showsCertificate)
  const clientId = request.client_id ?? subjectOf(request.client_assertion ?? '')
  if (proof && clientId !== undefined) return { clientId, proof }
  throw new Problem(
    'invalid-request',
    'prove the client in one way: client_secret, HTTP Basic, client_assertion with its type, or a TLS certificate',
  )
}

function proofOf(
  { client_secret: secret, client_assertion: assertion, client_assertion_type: type }: TokenRequest,
  showsCertificate: boolean,
): ClientProof | undefined {
  if ((assertion === undefined) !== (type === undefined)) return undefined
  if (secret !== undefined) return assertion === undefined ? { method: 'client-secret', secret } : undefined
  if (assertion !== undefined) return { method: 'private-key-jwt', assertion }
  return showsCertificate ? { method: 'certificate' } : undefined
}

/** Whom an assertion is about, by its own word: it must verify with that client's key. */
function subjectOf(assertion: string): ClientId | undefined {
  try {
    const { sub = '' } = decodeJwt(assertion)
    return isId('service', sub) || isId('agent', sub) ? sub : undefined
  } catch {
    return undefined
  }
}

/** RFC 8707 §2: a token for another resource is not ours to give. */
function requireOurs(issuer: string, resource: string | undefined): void {
  const ours = `${issuer}/api`
  if (resource === undefined || resource === ours) return
  const message = `tokens are given here for ${ours} alone`
  throw new Problem('invalid-request', `resource: ${message}`, { errors: [{ field: 'resource', message }] })
}

interface Alone {
  readonly clientId: ClientId
  readonly proof: ClientProof
  readonly asked: readonly string[] | undefined
}

/** By an assertion, or bound to a key: what is spent with it wants a transaction of its own. */
async function admitAlone(ctx: Context, { clientId, proof, asked }: Alone): Promise<Admitted> {
  return inTransaction(ctx, async (tx) => admit(tx, await authenticateClient(tx, clientId, proof), asked))
}

/** Opens the session. Whether the client may act is told only to who proved to be it. */
async function admit(tx: Transaction, client: ProvedClient, asked: readonly string[] | undefined): Promise<Admitted> {
  const { id, method, credential } = client
  const defaults = isId('service', id) ? await admitService(tx, id) : await admitAgent(tx, id)
  await requireStillProved(tx, client)
  const held = await listHeld(tx, id)
  requireWithin(asked ?? [], held, 'what the client holds')
  const scope = asked ?? (defaults.length > 0 ? defaults : undefined)
  const grant = await openSession(tx, id, {
    method,
    clientId: id,
    scope,
    confirmation: method === 'certificate' ? { 'x5t#S256': credential } : await boundKey(tx),
    credential,
    ...(await findDelegation(tx, client)),
    seconds: accessTokenSeconds,
  })
  return { grant, scope: formatScope(scope ?? held) }
}

async function admitService(tx: Transaction, id: ServiceId): Promise<readonly string[]> {
  const service = await findServiceForUpdate(tx, id)
  if (!service) throw new Error(`a client without a service: ${id}`)
  requireActive(service, tx.clock.now())
  return service.defaultScopes
}

/** A pending agent becomes active by the first proof of its key. */
async function admitAgent(tx: Transaction, id: ClientId): Promise<readonly string[]> {
  const agent = isId('agent', id) ? await findAgentForUpdate(tx, id) : undefined
  if (!agent) throw new Error(`a client without an agent: ${id}`)
  if (agent.status === 'pending') await activateAgent(tx, agent)
  else requireActive(agent, tx.clock.now())
  return []
}
