import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TenantId } from '@agent-iam/contract/ids'
import { asCaller, type Context } from '../../platform/context.ts'
import { answerInteraction, showInteraction } from './interaction.ts'
import { Issuers, type Terms } from './issuers.ts'
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

/**
 * The provider and the pages beside it. It is loaded when the first request for it comes: an installation that nobody
 * asks for OAuth does not carry the library.
 */
export class Front {
  readonly #system: Context
  readonly #issuers: Issuers

  constructor(system: Context, terms: Terms) {
    this.#system = system
    this.#issuers = new Issuers(system, terms)
  }

  /** Throws `not-found`, before anything is answered, when there is no such issuer. */
  async arrive(arrival: Arrival) {
    const provider = await this.#issuers.providerOf(arrival.tenantId)
    const ctx = this.#prepare(arrival)
    return { provider, ctx }
  }

  /** Hands the request to the provider. */
  async handOver(arrival: Arrival, provider: Awaited<ReturnType<Issuers['providerOf']>>): Promise<void> {
    await provider.callback()(arrival.request, arrival.response)
  }

  /** A person logs in or consents. */
  async interact(
    { request, response }: Arrival,
    { provider, ctx }: Awaited<ReturnType<Front['arrive']>>,
    { uid, form }: { uid: string; form: URLSearchParams },
  ): Promise<void> {
    const exchange = { ctx, provider, request, response, uid, form }
    await (request.method === 'POST' ? answerInteraction(exchange) : showInteraction(exchange))
  }

  /**
   * Whoever asks, the provider acts as the system in the tenant. It sees our address and theirs, not what was sent; its
   * own path in `url`, and by the difference to `originalUrl` where it is mounted.
   */
  #prepare({ request, tenantId, address, path, mount }: Arrival): Context {
    const requestId = this.#system.newId('request')
    const ctx = asCaller({ ...this.#system, requestId }, { kind: 'system', tenantId, address })
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
