import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import { isSessionLive, knownResource, ownResource, revokeSession } from '../../features/clients/service.ts'
import { accessTokenType } from '../../features/keys/model.ts'
import type { Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { AccessTokenClaimsSchema, type AccessTokenClaims } from '../../platform/keys.ts'
import { Problem } from '../../platform/problem.ts'
import { contextOf, isOidc } from './requests.ts'

/**
 * The provider stores no JWT and so knows nothing of them: at introspection (RFC 7662) and revocation (RFC 7009) it says
 * `unsupported_token_type`, once it has authenticated the client. Ours have a session, so from there on we answer.
 */
export function answerForJwts(provider: Provider): void {
  provider.use(async (koa, next) => {
    await next()
    const isUnsupported = Reflect.get(Object(koa.body), 'error') === 'unsupported_token_type'
    if (isUnsupported && isOidc(koa) && koa.oidc.client) await answerFor(koa)
  })
}

async function answerFor(koa: KoaContextWithOIDC): Promise<void> {
  if (koa.oidc.route === 'introspection') koa.body = await introspect(koa)
  else {
    await revoke(koa)
    koa.body = ''
  }
  koa.status = 200
}

/** What may be told about a token: all to whom it concerns, and to everyone else that it is not active. */
async function introspect(koa: KoaContextWithOIDC): Promise<object> {
  const ctx = contextOf(koa)
  const claims = await readToken(ctx, koa)
  if (!claims || !(await mayKnow(ctx, koa, claims)) || !(await isAlive(ctx, claims))) return { active: false }
  return { active: true, token_type: claims.cnf && 'jkt' in claims.cnf ? 'DPoP' : 'Bearer', ...claims }
}

/** Only the client that got a token ends it; whatever else is sent is none, and RFC 7009 §2.2 answers alike. */
async function revoke(koa: KoaContextWithOIDC): Promise<void> {
  const ctx = contextOf(koa)
  const claims = await readToken(ctx, koa)
  if (claims && claims.client_id === koa.oidc.client?.clientId && isId('session', claims.sid))
    await revokeSession(ctx, claims.sid)
}

/** The claims of a token of this tenant's, for whomever; undefined when it is none, or has expired. */
async function readToken(ctx: Context, { oidc }: KoaContextWithOIDC): Promise<AccessTokenClaims | undefined> {
  const token = String(oidc.params?.['token'])
  try {
    const { claims } = await ctx.keys.verifyJwt(ctx.caller.tenantId, token, {
      typ: accessTokenType,
      audience: audienceSaid(token),
      now: ctx.clock.now(),
    })
    return AccessTokenClaimsSchema.safeParse(claims).data
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}

/** Read before the signature is checked: whom it is for is asked of the signed claims. */
function audienceSaid(token: string): string {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return String(Reflect.get(Object(payload), 'aud'))
  } catch {
    return ''
  }
}

/** The client that got it, unless anybody may call itself so; and whom the resource server names. */
async function mayKnow(ctx: Context, { oidc }: KoaContextWithOIDC, claims: AccessTokenClaims): Promise<boolean> {
  const clientId = oidc.client?.clientId
  if (clientId === undefined) return false
  if (claims.client_id === clientId) return true
  if (oidc.client?.clientAuthMethod === 'none' || typeof claims.aud !== 'string' || claims.aud === ownResource(ctx))
    return false
  return (await knownResource(ctx, claims.aud))?.introspectedBy.includes(clientId) ?? false
}

async function isAlive(ctx: Context, { sid }: AccessTokenClaims): Promise<boolean> {
  return isId('session', sid) && isSessionLive(ctx, sid)
}
