import type { AgentId, IdentityId } from '@agent-iam/contract/ids'
import { toPublicJwk } from '@agent-iam/standards/ed25519-key'
import { errors, type Adapter, type AdapterPayload } from 'oidc-provider'
import type { Client } from '../../features/clients/model.ts'
import { knownClient } from '../../features/clients/service.ts'
import { findAgentKeys } from '../../features/credentials/service.ts'
import { findAgent } from '../../features/identities/service.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'

/** RFC 8693 §2.1. */
export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** What a machine may ask for. It acts for no person who consents in a browser. */
const machineGrants = ['client_credentials']

/** Whether a client is one of our identities, which prove themselves as such. */
export function identityOf(clientId: string): IdentityId | undefined {
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
    if (isId('agent', id)) return agentMetadata(ctx, id)
    if (!isId('client', id)) return undefined
    const client = await knownClient(ctx, id)
    return client && toMetadata(ctx, client)
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

async function agentMetadata(ctx: Context, id: AgentId): Promise<AdapterPayload | undefined> {
  const found = await inTransaction(ctx, async (tx) => ({
    agent: await findAgent(tx, id),
    key: (await findAgentKeys(tx, [id])).get(id),
  }))
  const { agent, key } = found
  const isActive = agent?.status === 'active' && !(agent.expiresAt && agent.expiresAt <= ctx.clock.now())
  if (!isActive || !key) return undefined
  return {
    ...machine(id, agent.name),
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...toPublicJwk(key.publicKey), kid: key.thumbprint, use: 'sig' }] },
  }
}

function machine(id: IdentityId, name: string): AdapterPayload {
  return { client_id: id, client_name: name, grant_types: machineGrants, response_types: [], redirect_uris: [] }
}

function toMetadata(ctx: Context, client: Client): AdapterPayload {
  const isInteractive = client.grantTypes.includes('authorization_code')
  return {
    client_id: client.url ?? client.id,
    client_name: client.name,
    application_type: client.applicationType,
    grant_types: [...client.grantTypes],
    response_types: isInteractive ? ['code'] : [],
    redirect_uris: [...client.redirectUris],
    post_logout_redirect_uris: [...client.postLogoutRedirectUris],
    token_endpoint_auth_method: client.authMethod,
    dpop_bound_access_tokens: client.requireDpop,
    ...(client.jwks && { jwks: { keys: client.jwks.keys.map((key) => ({ kty: '', ...key })) } }),
    // The provider wants to see one. Nobody knows this one; `compareClientSecret` looks at our digest instead.
    ...(client.secretDigest && { client_secret: unknowable(ctx) }),
  }
}

/** The same while the process runs, so that the provider's cache of clients stays good. */
let placeholder: string | undefined
function unknowable(ctx: Context): string {
  return (placeholder ??= ctx.random(32).toString('base64url'))
}
