import type { IncomingMessage } from 'node:http'
import { isCanonicalJws } from '@agent-iam/standards/jws'
import { errors, Provider, type Client, type JsonValue, type KoaContextWithOIDC } from 'oidc-provider'
import { isClientSecret } from '../../features/clients/service.ts'
import { assertionPurpose, insertNonce } from '../../features/credentials/service.ts'
import { authenticateClient, type ClientProof, type ProvedClient } from '../../features/services/service.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { identityOf } from './client-metadata.ts'
import { contextOf, currentContext } from './requests.ts'

/** By what the machine of a request proved itself: its session ends with that. */
const proofs = new WeakMap<IncomingMessage, ProvedClient>()

export function proofOf({ req }: Pick<KoaContextWithOIDC, 'req'>): ProvedClient | undefined {
  return proofs.get(req)
}

/** Whether a secret is the client's: compared by digest, here and not by the provider, which knows none. */
export async function isSecretOf(clientId: string, secret: string, otherwise: Context): Promise<boolean> {
  const ctx = currentContext(otherwise)
  if (!identityOf(clientId)) return isClientSecret(ctx, clientId, secret)
  return (await prove(ctx, clientId, { method: 'client-secret', secret })) !== undefined
}

/**
 * What is asked of a client's assertion beyond the signature that the provider has verified: our issuer as its one
 * audience, a short life, and no use elsewhere before (RFC 7523, RFC 9700). A machine's is read as at every other login.
 */
export async function assertAssertion(
  koa: KoaContextWithOIDC,
  claims: Record<string, JsonValue>,
  header: Record<string, JsonValue>,
  client: Client,
): Promise<void> {
  const ctx = contextOf(koa)
  const assertion = String(koa.oidc.params?.['client_assertion'])
  if (!isCanonicalJws(assertion)) throw refused('it is not in base64url without padding')
  if (!identityOf(client.clientId)) return assertApplication(ctx, claims, { header, client, issuer: koa.oidc.issuer })
  const proved = await prove(ctx, client.clientId, { method: 'private-key-jwt', assertion })
  if (!proved) throw refused(`its aud must be ${koa.oidc.issuer} alone, its life five minutes at most, its jti new`)
}

async function prove(ctx: Context, clientId: string, proof: ClientProof): Promise<ProvedClient | undefined> {
  const id = identityOf(clientId)
  if (!id) return undefined
  try {
    const proved = await inTransaction(ctx, (tx) => authenticateClient(tx, id, proof))
    const koa = Provider.ctx
    if (koa) proofs.set(koa.req, proved)
    return proved
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    // The provider asks only for clients that it found.
    ctx.spine.noteFailedLogin(ctx, { method: 'client-proof', account: id })
    return undefined
  }
}

/** An assertion is made for one request; one that lives longer was made for more. */
const assertionSecondsMax = 300
const jtiCharactersMax = 200
/** Types that an assertion's header may have: a DPoP proof or any other signed text is not one. */
const assertionTypes = new Set<JsonValue | undefined>([undefined, 'JWT', 'client-authentication+jwt'])
/** The only members that its header may have: a key that comes with a token proves nothing (RFC 8725 §3.10). */
const headerMembers = new Set(['alg', 'typ', 'kid'])

interface Presented {
  readonly header: Record<string, JsonValue>
  readonly client: Client
  readonly issuer: string
}

async function assertApplication(
  ctx: Context,
  { aud, exp, jti, sub }: Record<string, JsonValue>,
  { header, client: { clientId }, issuer }: Presented,
): Promise<void> {
  const latest = ctx.clock.now().getTime() / 1000 + assertionSecondsMax
  if (aud !== issuer) throw refused(`its aud must be ${issuer} alone`)
  if (sub !== clientId) throw refused('its sub must be the client_id')
  const isAssertion = assertionTypes.has(header['typ']) && Object.keys(header).every((name) => headerMembers.has(name))
  if (!isAssertion) throw refused('its header says that it is something else, or brings a key')
  if (typeof exp !== 'number' || exp > latest) throw refused('it may live five minutes at most')
  if (typeof jti !== 'string' || jti.length > jtiCharactersMax || !jti.isWellFormed() || jti.includes('\u0000'))
    throw refused(`its jti may have ${jtiCharactersMax} characters`)
  const expiresAt = new Date(exp * 1000)
  const isFirst = await inTransaction(ctx, (tx) => insertNonce(tx, assertionPurpose, `${clientId} ${jti}`, expiresAt))
  if (!isFirst) throw refused('it was used before; make a new one')
}

/** The reason is for our log: the client is told no more than that it is not proved (RFC 6749 §5.2). */
function refused(reason: string): Error {
  return new errors.InvalidClientAuth(`the client assertion is refused: ${reason}`)
}
