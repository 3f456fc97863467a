import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provider } from 'oidc-provider'
import { sessionSeconds } from '../../features/tokens/model.ts'
import type { Context } from '../../platform/context.ts'
import { equalDigests, hmacSha256, sha256 } from '../../platform/digest.ts'
import { isLoginLive, noteSession } from './accounts.ts'
import { cookiesOf } from './cookies.ts'
import { deviceTokenOf, keepDeviceToken } from './device-token.ts'
import { firstStep, loginByForm, type LoginState } from './login.ts'
import { errorPage } from './pages/error.ts'
import { loginPage } from './pages/login.ts'
import { sendPage } from './pages/send.ts'

interface Exchange {
  readonly ctx: Context
  readonly provider: Provider
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/**
 * Whether a person must log in before the provider may look at an authorization request: one of a client that is named
 * by a URL. It would be read otherwise because a stranger asked us to.
 */
export async function mustLogInFirst({ ctx, provider, request, response }: Exchange, path: string): Promise<boolean> {
  if (request.method !== 'GET' || !path.startsWith('/oauth/authorize?')) return false
  if (!isUrl(new URLSearchParams(path.split('?')[1]).get('client_id'))) return false
  const session = await provider.Session.get(provider.createContext(request, response))
  return !(await isLoginLive(ctx, session))
}

function isUrl(clientId: string | null): clientId is string {
  return /^https:\/\//i.test(clientId ?? '')
}

/** Asks the person to log in; what they came for is told by the host of the client's URL alone. */
export function showLoginFirst({ ctx, response }: Exchange, query: string): void {
  const browser = ctx.random(24).toString('base64url')
  const { path, secure } = pathOf(ctx)
  response.appendHeader('set-cookie', `${cookieName}=${browser}; Path=${path}; HttpOnly; SameSite=Lax${secure}`)
  show({ ctx, response }, { browser, query })
}

/** Logs the browser in, and goes on with the request that it came with. */
export async function answerLoginFirst(exchange: Exchange, form: URLSearchParams): Promise<void> {
  const { ctx, provider, request, response } = exchange
  const browser = browserOf(request)
  const query = form.get('query') ?? ''
  const isOurs = equalDigests(sha256(form.get('csrf') ?? ''), sha256(csrfOf(ctx, browser ?? '', query)))
  if (browser === undefined || !isOurs || form.has('refuse'))
    return sendPage(response, 400, errorPage({ error: form.has('refuse') ? 'access_denied' : 'invalid_request' }))
  const outcome = await loginByForm(ctx, form, { uid: browser, deviceToken: deviceTokenOf(request) })
  if ('step' in outcome) return show(exchange, { browser, query, state: outcome })
  if (outcome.deviceToken !== undefined) keepDeviceToken(ctx, response, outcome.deviceToken)
  const session = new provider.Session()
  session.loginAccount({ accountId: outcome.accountId })
  noteSession(session, outcome.sessionId)
  await session.save(sessionSeconds)
  const issuer = ctx.keys.issuerOf(ctx.caller.tenantId)
  const { names, long } = cookiesOf(ctx, issuer)
  provider.createContext(request, response).cookies.set(names.session, session.jti, long)
  // Only ever our own endpoint: what the form brought is a query and nothing else.
  response.writeHead(303, { location: `${issuer}/oauth/authorize?${query}`, 'content-length': '0' }).end()
}

interface Shown {
  readonly browser: string
  readonly query: string
  readonly state?: LoginState
}

function show({ ctx, response }: Pick<Exchange, 'ctx' | 'response'>, { browser, query, state }: Shown): void {
  const shown = state ?? firstStep()
  const clientId = new URLSearchParams(query).get('client_id') ?? ''
  const page = loginPage({
    ...shown,
    destination: URL.parse(clientId)?.host ?? 'the application',
    csrfToken: csrfOf(ctx, browser, query),
    formTargets: [],
    action: `${ctx.keys.issuerOf(ctx.caller.tenantId)}/oauth/login`,
    query,
  })
  sendPage(response, shown.fault === undefined ? 200 : 401, page)
}

const cookieName = 'agent-iam-login-first'

function browserOf({ headers }: IncomingMessage): string | undefined {
  return new RegExp(`(?:^|; ?)${cookieName}=([A-Za-z0-9_-]{32})(?:;|$)`).exec(headers.cookie ?? '')?.[1]
}

function pathOf({ keys, caller }: Context): { path: string; secure: string } {
  const { pathname, protocol } = new URL(keys.issuerOf(caller.tenantId))
  return { path: `${pathname.replace(/\/$/, '')}/oauth/login`, secure: protocol === 'https:' ? '; Secure' : '' }
}

/** Bound to the browser, whose cookie no other site knows, and to the request that it goes on with. */
function csrfOf({ sealer }: Context, browser: string, query: string): string {
  return hmacSha256(sealer.derive('oauth form token'), `first ${browser} ${query}`).toString('base64url')
}
