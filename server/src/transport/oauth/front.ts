import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TenantId } from '@agent-iam/contract/ids'
import type { Provider } from 'oidc-provider'
import { requireActing } from '../../features/tenants/service.ts'
import { asCaller, asSystem, inTransaction, type Context } from '../../platform/context.ts'
import { toProblem } from '../problem-response.ts'
import { answerInteraction, showInteraction } from './interaction.ts'
import { Issuers, type Terms } from './issuers.ts'
import { answerLoginFirst, mustLogInFirst, showLoginFirst } from './login-first.ts'
import { answerRegistration } from './registration.ts'
import { errorPage } from './pages/error.ts'
import { sendPage } from './pages/send.ts'
import { bindContext } from './requests.ts'

/** A request as it arrived, and for which issuer. */
export interface Arrival {
  readonly request: IncomingMessage & { originalUrl?: string }
  readonly response: ServerResponse
  readonly tenantId: TenantId
  /** Where it comes from, as far as proxies are believed. */
  readonly address: string
  /** What the provider knows as the path; where it is mounted comes before. */
  readonly path: string
  readonly mount: string
}

type Arrived = Awaited<ReturnType<Front['arrive']>>

interface Typed {
  readonly uid: string
  readonly form: URLSearchParams
}

/**
 * The provider and the pages beside it. It is loaded when the first request for it comes: an installation that nobody
 * asks for OAuth does not carry the library.
 */
export class Front {
  readonly #system: Context
  readonly #issuers: Issuers
  readonly #handlers = new WeakMap<Provider, ReturnType<Provider['callback']>>()

  constructor(system: Context, terms: Terms) {
    this.#system = system
    this.#issuers = new Issuers(system, terms)
  }

  /** Throws `not-found`, before anything is answered, when there is no such issuer, `identity-inactive` when it is stopped. */
  async arrive(arrival: Arrival) {
    const provider = await this.#issuers.providerOf(arrival.tenantId)
    const ctx = this.#prepare(arrival)
    await inTransaction(ctx, requireActing)
    return { provider, ctx }
  }

  /** Hands the request to the provider; that of a client whose URL may not be read yet, once the person has logged in. */
  async handOver(arrival: Arrival, { provider, ctx }: Arrived): Promise<void> {
    const { request, response, path } = arrival
    const exchange = { ctx, provider, request, response }
    await answered(exchange, async () => {
      if (await mustLogInFirst(exchange, path)) showLoginFirst(exchange, path.slice(path.indexOf('?') + 1))
      else await this.#handlerOf(provider)(request, response)
    })
  }

  /** The provider makes a new one each time it is asked. */
  #handlerOf(provider: Provider): ReturnType<Provider['callback']> {
    const handler = this.#handlers.get(provider) ?? provider.callback()
    this.#handlers.set(provider, handler)
    return handler
  }

  /** A person logs in or consents. */
  async interact({ request, response }: Arrival, { provider, ctx }: Arrived, { uid, form }: Typed): Promise<void> {
    const exchange = { ctx, provider, request, response, uid, form }
    await answered(exchange, () =>
      request.method === 'POST' ? answerInteraction(exchange) : showInteraction(exchange),
    )
  }

  /** A person logs in before anything is known of the client. */
  async logInFirst({ request, response }: Arrival, { provider, ctx }: Arrived, form: URLSearchParams): Promise<void> {
    await answered({ ctx, response }, () => answerLoginFirst({ ctx, provider, request, response }, form))
  }

  /** A client registers itself. */
  async register({ response }: Arrival, { provider, ctx }: Arrived, body: string): Promise<void> {
    await answered({ ctx, response }, () => answerRegistration({ ctx, provider, response }, body))
  }

  /**
   * Whoever asks, the provider acts as the system in the tenant. It sees our address and theirs, not what was sent; its
   * own path in `url`, and by the difference to `originalUrl` where it is mounted.
   */
  #prepare({ request, tenantId, address, path, mount }: Arrival): Context {
    const requestId = this.#system.newId('request')
    const anonymous = asCaller({ ...this.#system, requestId }, { kind: 'anonymous', tenantId, address })
    const ctx = asSystem(anonymous, tenantId)
    bindContext(request, ctx)
    const { host, protocol } = new URL(this.#system.keys.publicUrl)
    request.headers['x-forwarded-host'] = host
    request.headers['x-forwarded-proto'] = protocol.slice(0, -1)
    request.headers['x-forwarded-for'] = address
    request.originalUrl = mount + path
    request.url = path
    return ctx
  }
}

/**
 * Runs what answers a request that the server has let go of: nobody else would end it, so that who asked would wait, and
 * so would a server that stops. NOTE: the log writes what every error has: what hangs on it may be secret.
 */
async function answered(
  { ctx, response }: { readonly ctx: Context; readonly response: ServerResponse },
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    ctx.log.error({ requestId: ctx.requestId, error }, 'an OAuth request failed')
    if (response.headersSent) return void response.destroy()
    const told = { error: 'server_error', error_description: `the operator finds it by ${ctx.requestId}` }
    sendPage(response, toProblem(error).code === 'unavailable' ? 503 : 500, errorPage(told))
  }
}
