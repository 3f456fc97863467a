import { errors, type Client, type JsonValue, type KoaContextWithOIDC } from 'oidc-provider'
import { insertNonce } from '../../features/credentials/service.ts'
import { inTransaction } from '../../platform/context.ts'
import { contextOf } from './requests.ts'

/** An assertion is made for one request; one that lives longer was made for more. */
const assertionSecondsMax = 300
const jtiCharactersMax = 200

/** Types that an assertion's header may have: a DPoP proof or any other signed text is not one. */
const assertionTypes = new Set<JsonValue | undefined>([undefined, 'JWT', 'client-authentication+jwt'])
/** What would bring a key of the sender's own, or a meaning that is not known here. */
const foreignHeaders = ['jwk', 'jku', 'x5u', 'x5c', 'crit']

/**
 * What is asked of a client's assertion beyond its signature (RFC 7523, and its update against mix-ups): our issuer as
 * its one audience, a short life, and no use elsewhere before. Its `jti` is used up where every other login looks too.
 */
export async function assertAssertion(
  koa: KoaContextWithOIDC,
  claims: Record<string, JsonValue>,
  header: Record<string, JsonValue>,
  client: Client,
): Promise<void> {
  const ctx = contextOf(koa)
  const { aud, exp, jti, sub } = claims
  const now = ctx.clock.now().getTime() / 1000
  if (aud !== koa.oidc.issuer) throw refused(`aud must be ${koa.oidc.issuer} alone`)
  if (sub !== client.clientId) throw refused('sub must be the client_id')
  if (!assertionTypes.has(header['typ'])) throw refused('typ says that it is something else')
  if (foreignHeaders.some((name) => header[name] !== undefined)) throw refused('the header may bring no key')
  if (typeof exp !== 'number' || exp > now + assertionSecondsMax) throw refused('it may live five minutes at most')
  if (typeof jti !== 'string' || jti.length > jtiCharactersMax)
    throw refused(`jti may have ${jtiCharactersMax} characters`)
  const expiresAt = new Date(exp * 1000)
  const isFirst = await inTransaction(ctx, (tx) => insertNonce(tx, 'assertion', `${client.clientId} ${jti}`, expiresAt))
  if (!isFirst) throw refused('it was used before; make a new one')
}

function refused(reason: string): Error {
  return new errors.InvalidClient(`the client assertion is refused: ${reason}`, reason)
}
