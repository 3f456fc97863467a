import { errors, Provider, type Adapter, type AdapterPayload, type JWK } from 'oidc-provider'
import type { AgentId, ServiceId } from '@agent-iam/contract/ids'
import type { Client } from '../../features/clients/model.ts'
import { knownClient } from '../../features/clients/service.ts'
import type { AssertionKey } from '../../features/credentials/model.ts'
import { findAgent } from '../../features/identities/service.ts'
import { findClient as findMachine } from '../../features/services/service.ts'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'

/** RFC 8693 §2.1. */
export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** What a machine may ask for: itself, or what was lent to it. It acts for no person who consents in a browser. */
const machineGrants = ['client_credentials', tokenExchangeGrant]

export type MachineId = AgentId | ServiceId

/** Whether a client is one of our identities, which prove themselves as such. */
export function identityOf(clientId: string): MachineId | undefined {
  return isId('agent', clientId) || isId('service', clientId) ? clientId : undefined
}

/** Where the provider finds clients: our agents and services, and the applications of features/clients. */
export class ClientAdapter implements Adapter {
  readonly #ctx: () => Context

  constructor(ctx: () => Context) {
    this.#ctx = ctx
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const ctx = this.#ctx()
    const identityId = identityOf(id)
    if (identityId) return machineMetadata(ctx, identityId)
    if (!isId('client', id)) return undefined
    const client = await knownClient(ctx, id)
    // One that is named by a URL has no other name on the wire, and is read from there.
    return client?.url === undefined && client ? toMetadata(ctx, client) : undefined
  }

  /** Clients register themselves only where that is switched on. */
  upsert(): Promise<void> {
    throw new errors.InvalidRequest('clients do not register themselves here; ask an administrator')
  }

  destroy(): Promise<void> {
    throw new errors.InvalidRequest('clients are removed by an administrator')
  }

  findByUserCode(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  findByUid(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  async consume(): Promise<void> {}

  async revokeByGrantId(): Promise<void> {}
}

/** A machine that may act, or an agent whose first proof makes it active. */
async function machineMetadata(ctx: Context, id: MachineId): Promise<AdapterPayload | undefined> {
  const machine = await inTransaction(ctx, async (tx) => {
    const found = await findMachine(tx, id)
    return found && (found.isActive || (await isPending(tx, id))) ? found : undefined
  })
  if (!machine) return undefined
  const presentsKey = Provider.ctx?.oidc.params?.['client_assertion'] !== undefined || isId('agent', id)
  return {
    client_id: id,
    client_name: machine.name,
    grant_types: machineGrants,
    response_types: [],
    redirect_uris: [],
    ...(presentsKey ? { ...byKey, jwks: { keys: machine.keys.flatMap(toJwks) } } : { ...bySecret(ctx) }),
  }
}

const byKey = { token_endpoint_auth_method: 'private_key_jwt' } as const

/** The provider wants to see a secret. Nobody knows this one: `compareClientSecret` looks at our digests instead. */
function bySecret(ctx: Context) {
  return { token_endpoint_auth_method: 'client_secret_basic', client_secret: unknowable(ctx) } as const
}

async function isPending(tx: Transaction, id: MachineId): Promise<boolean> {
  return isId('agent', id) && (await findAgent(tx, id))?.status === 'pending'
}

/** A header may choose a key by its thumbprint, or by what its owner calls it. */
function toJwks({ jwk, kid, thumbprint }: AssertionKey): JWK[] {
  const { kty } = jwk
  if (typeof kty !== 'string') return []
  const names = kid === undefined || kid === thumbprint ? [thumbprint] : [thumbprint, kid]
  return names.map((name) => ({ ...jwk, kty, kid: name, use: 'sig' }))
}

function toMetadata(ctx: Context, client: Client): AdapterPayload {
  const isInteractive = client.grantTypes.includes('authorization_code')
  return {
    client_id: client.id,
    client_name: client.name,
    application_type: client.applicationType,
    grant_types: [...client.grantTypes],
    response_types: isInteractive ? ['code'] : [],
    redirect_uris: [...client.redirectUris],
    post_logout_redirect_uris: [...client.postLogoutRedirectUris],
    token_endpoint_auth_method: client.authMethod,
    dpop_bound_access_tokens: client.requireDpop,
    ...(client.jwks && { jwks: { keys: client.jwks.keys.map((key) => ({ kty: '', ...key })) } }),
    ...(client.secretDigest && { client_secret: unknowable(ctx) }),
  }
}

/** The same while the process runs, so that the provider's cache of clients stays good. */
let placeholder: string | undefined
function unknowable(ctx: Context): string {
  return (placeholder ??= ctx.random(32).toString('base64url'))
}
