import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Interaction, InteractionResults, Provider } from 'oidc-provider'
import { recordConsent } from '../../features/clients/service.ts'
import type { Context } from '../../platform/context.ts'
import { equalDigests, hmacSha256, sha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import { loginSessionOf } from './accounts.ts'
import { consentedGrant, consentQuestion } from './consent.ts'
import { deviceTokenOf, keepDeviceToken } from './device-token.ts'
import { firstStep, loginByForm, type LoginState } from './login.ts'
import { clientName } from './pages/client-name.ts'
import { consentPage } from './pages/consent.ts'
import { errorPage } from './pages/error.ts'
import { formTargetOf } from './pages/frame.ts'
import { loginPage } from './pages/login.ts'
import { sendPage } from './pages/send.ts'

/** One request of a person in the midst of an authorization: to log in, or to consent. */
export interface Exchange {
  readonly ctx: Context
  readonly provider: Provider
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly uid: string
  readonly form: URLSearchParams
}

/** Shows what the person is asked. */
export async function showInteraction(exchange: Exchange): Promise<void> {
  await withInteraction(exchange, (interaction) => ask(exchange, interaction))
}

/** Takes what the person answered. */
export async function answerInteraction(exchange: Exchange): Promise<void> {
  await withInteraction(exchange, async (interaction) => {
    requireOwnForm(exchange)
    if (exchange.form.has('refuse')) return refuse(exchange, interaction)
    return interaction.prompt.name === 'login' ? logIn(exchange, interaction) : consent(exchange, interaction)
  })
}

/** The interaction that the browser's cookie names, if it is the one of the address. */
async function withInteraction(exchange: Exchange, work: (interaction: Interaction) => Promise<void>): Promise<void> {
  const { provider, request, response, uid } = exchange
  try {
    const interaction = await provider.interactionDetails(request, response)
    if (interaction.uid !== uid) throw new Problem('not-found', 'it is another browser’s')
    await work(interaction)
  } catch (error) {
    if (!isGone(error)) throw error
    sendPage(response, 400, errorPage({ error: 'invalid_request', error_description: 'the request is no longer open' }))
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Problem || (error instanceof Error && error.name === 'SessionNotFound')
}

async function ask(exchange: Exchange, interaction: Interaction): Promise<void> {
  if (interaction.prompt.name === 'login') return askToLogIn(exchange, interaction)
  const question = await consentQuestion(exchange.ctx, exchange.provider, interaction)
  const { response } = exchange
  sendPage(response, 200, consentPage({ ...question, ...frameOf(exchange, interaction) }))
}

async function askToLogIn(exchange: Exchange, interaction: Interaction, state?: LoginState): Promise<void> {
  const { provider, response } = exchange
  const { params } = interaction
  const client = await provider.Client.find(String(params['client_id']))
  const email = typeof params['login_hint'] === 'string' ? params['login_hint'] : ''
  const shown = state ?? firstStep(email)
  const destination = client ? clientName(client) : 'the application'
  const page = loginPage({ ...shown, destination, ...frameOf(exchange, interaction) })
  sendPage(response, shown.fault === undefined ? 200 : 401, page)
}

async function logIn(exchange: Exchange, interaction: Interaction): Promise<void> {
  const { ctx, request, response, uid, form } = exchange
  const outcome = await loginByForm(ctx, form, { uid, deviceToken: deviceTokenOf(request) })
  if ('step' in outcome) return askToLogIn(exchange, interaction, outcome)
  const { accountId, sessionId, deviceToken } = outcome
  if (deviceToken !== undefined) keepDeviceToken(ctx, response, deviceToken)
  return finish(exchange, { login: { accountId, sessionId } }, false)
}

async function consent(exchange: Exchange, interaction: Interaction): Promise<void> {
  const { ctx, provider } = exchange
  const { grant, given } = await consentedGrant(provider, interaction)
  const grantId = await grant.save()
  const sessionId = await loginOf(exchange, interaction)
  await recordConsent(ctx, { ...given, sessionId, isGiven: true })
  return finish(exchange, { consent: { grantId } }, true)
}

async function refuse(exchange: Exchange, interaction: Interaction): Promise<void> {
  const { session, params } = interaction
  const accountId = session?.accountId
  if (accountId !== undefined) {
    const sessionId = await loginOf(exchange, interaction)
    const clientId = String(params['client_id'])
    await recordConsent(exchange.ctx, { accountId, sessionId, clientId, scopes: [], isGiven: false })
  }
  const result = { error: 'access_denied', error_description: 'the person refused' }
  return finish(exchange, result, false)
}

/** The session of ours by which the browser that answers is logged in. */
async function loginOf({ provider }: Exchange, { session }: Interaction) {
  const found = session && (await provider.Session.findByUid(session.uid))
  return found && loginSessionOf(found)
}

async function finish(
  { provider, request, response }: Exchange,
  result: InteractionResults,
  mergeWithLastSubmission: boolean,
): Promise<void> {
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission })
}

function frameOf({ ctx, uid }: Exchange, { params }: Interaction) {
  return { csrfToken: csrfTokenOf(ctx, uid), formTargets: formTargetOf(params['redirect_uri']) }
}

/** Bound to the interaction, whose cookie alone lets a form in; another site knows neither. */
function csrfTokenOf({ sealer }: Context, uid: string): string {
  return hmacSha256(sealer.derive('oauth form token'), uid).toString('base64url')
}

/** Refuses a form that was not shown by us, to this browser, for this interaction. */
function requireOwnForm({ ctx, request, uid, form }: Exchange): void {
  const site = request.headers['sec-fetch-site']
  const isForeign = typeof site === 'string' && site !== 'same-origin'
  const isOurs = equalDigests(sha256(form.get('csrf') ?? ''), sha256(csrfTokenOf(ctx, uid)))
  if (isForeign || !isOurs) throw new Problem('forbidden', 'the form was not sent from the page it was shown on')
}
