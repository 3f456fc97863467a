import {
  interactionPolicy,
  type Account,
  type FindAccount,
  type KoaContextWithOIDC,
  type Provider,
} from 'oidc-provider'
import { isGrantLive, isSessionLive, revokeSession } from '../../features/clients/service.ts'
import { findUser } from '../../features/identities/service.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { contextOf, isOidc } from './requests.ts'

/**
 * Under this name the provider's browser session keeps the session of ours that its login began. No client is called so.
 */
const loginName = '@login'

/** The person behind an account, as long as they may act and what is presented still stands. */
export const findAccount: FindAccount = async (koa, sub, token) => {
  const ctx = contextOf(koa)
  // What a token descends from must stand: its grant, and the sessions of that.
  const isOver = token?.grantId !== undefined && !(await isGrantLive(ctx, token.grantId))
  if (!isId('user', sub) || isOver) return undefined
  const user = await inTransaction(ctx, (tx) => findUser(tx, sub))
  if (user?.status !== 'active') return undefined
  const account: Account = {
    accountId: sub,
    claims: () => ({ sub, name: user.name, email: user.email }),
  }
  return account
}

/** Notes, when a login has just come back, by which session of ours it was proved. */
export function noteLogin({ oidc }: KoaContextWithOIDC): void {
  const sessionId: unknown = Reflect.get(Object(oidc.result?.login), 'sessionId')
  if (typeof sessionId === 'string' && oidc.session) noteSession(oidc.session, sessionId)
}

/** Binds a browser's login to the session of ours that it began. */
export function noteSession(session: { sidFor(clientId: string, value: string): void }, sessionId: string): void {
  session.sidFor(loginName, sessionId)
}

/** The session of ours by which the browser is logged in; undefined where it is not. */
export function loginSessionOf(session: {
  sidFor(clientId: string): string | undefined
  accountId?: string | undefined
}) {
  const id = session.accountId === undefined ? undefined : session.sidFor(loginName)
  return id !== undefined && isId('session', id) ? id : undefined
}

/** Whether the browser's login still stands: a session that was ended elsewhere ends it too. */
export async function isLoginLive(ctx: Context, session: Parameters<typeof loginSessionOf>[0]): Promise<boolean> {
  const id = loginSessionOf(session)
  return id !== undefined && isSessionLive(ctx, id)
}

/** The provider's own questions before it answers, and ours: whether the login still stands, and who the client is. */
export function loginPolicy(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base()
  const ended = new interactionPolicy.Check('login_ended', 'the login has ended', 'login_required', async (koa) => {
    const { session } = koa.oidc
    if (!session?.accountId || koa.oidc.result?.login) return false
    return !(await isLoginLive(contextOf(koa), session))
  })
  policy.get('login')?.checks.push(ended)
  policy.get('consent')?.checks.push(unprovedClient)
  return policy
}

/**
 * RFC 8252 §8.6: any program on a person's computer may call itself by the name of another that proves nothing and returns
 * there. It is never let in silently. The library asks so of clients that say they are native, and some do not say it.
 */
const unprovedClient = new interactionPolicy.Check(
  'unproved_client',
  'the client proves nothing, so the person is asked',
  'interaction_required',
  ({ oidc: { client, params, result } }) =>
    client?.clientAuthMethod === 'none' && !String(params?.['redirect_uri']).startsWith('https:') && !result?.consent,
)

/** Who logs out in the browser ends the session that the login began. */
export function endLoginAtLogout(provider: Provider): void {
  provider.use(async (koa, next) => {
    await next()
    if (!isOidc(koa) || koa.oidc.route !== 'end_session_confirm' || !koa.oidc.session) return
    const { session } = koa.oidc
    const id = Reflect.get(session, 'destroyed') === true ? loginSessionOf(session) : undefined
    if (id) await revokeSession(contextOf(koa), id)
  })
}
