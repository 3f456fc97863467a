import type { TenantId } from '@agent-iam/contract/ids'
import type { Provider } from 'oidc-provider'
import type { RefusalRecorder } from '../../features/audit/refusals.ts'
import { asCaller, type Context } from '../../platform/context.ts'
import { createProvider } from './provider.ts'

/** Providers held at once; the one made first goes first. Each is a few hundred kilobytes. */
const providersMax = 100

interface Held {
  readonly version: number
  readonly provider: Provider
}

/** What the operator decided, the same for every tenant. */
export interface Terms {
  readonly isNonceRequired: boolean
  readonly refusals: RefusalRecorder
}

/** The tenants' providers, made on demand, and made anew when a tenant's keys have changed. */
export class Issuers {
  readonly #system: Context
  readonly #terms: Terms
  readonly #held = new Map<TenantId, Held>()

  constructor(system: Context, terms: Terms) {
    this.#system = system
    this.#terms = terms
  }

  /** Throws `not-found` when there is no such tenant. */
  async providerOf(tenantId: TenantId): Promise<Provider> {
    const { version, keys } = await this.#system.keys.signingJwks(tenantId)
    const held = this.#held.get(tenantId)
    if (held?.version === version) return held.provider
    const ctx = asCaller(this.#system, { kind: 'system', tenantId, address: '' })
    const provider = createProvider({ ...this.#terms, ctx, issuer: ctx.keys.issuerOf(tenantId), jwks: keys })
    this.#hold(tenantId, { version, provider })
    return provider
  }

  #hold(tenantId: TenantId, held: Held): void {
    const [oldest] = this.#held.keys()
    if (oldest !== undefined && this.#held.size >= providersMax) this.#held.delete(oldest)
    this.#held.set(tenantId, held)
  }
}
