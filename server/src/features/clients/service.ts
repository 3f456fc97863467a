/**
 * OAuth clients and what the provider keeps for them: applications that people let act for them (RFC 6749, RFC 7591),
 * the resource servers that tokens are asked for (RFC 8707), and each grant with its sessions. Whatever an OAuth token
 * may do hangs on a session of ours, so ending that ends it; a grant used against the rules ends whole.
 */
import type { ClientId } from '@agent-iam/contract/ids'
import { actorOf, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { equalDigests, sha256 } from '../../platform/digest.ts'
import { isId } from '../../platform/ids.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { newSecret } from '../../platform/random.ts'
import { recordEvent } from '../audit/service.ts'
import { requireOwnSession } from '../capabilities/service.ts'
import { endSessionsOfClient } from './grants.ts'
import {
  clientSecretPrefix,
  hasSecret,
  requireConsistent,
  type AuthMethod,
  applyChange,
  type Client,
  type ClientChange,
  type ClientSettings,
} from './model.ts'
import {
  deleteClient,
  findClient,
  findClientForUpdate,
  findClientOfUrl,
  insertClient,
  listClients,
  updateClient as updateClientRow,
} from './store/clients.ts'

export { recordConsent } from './consents.ts'
export { isGrantLive, isSessionLive, revokeSession, sessionOfGrant } from './grants.ts'
export {
  consumePayload,
  dropPayload,
  dropPayloadsOfGrant,
  keepPayload,
  readPayload,
  sealedPayloads,
} from './payloads.ts'
export { keepDescribedClient, registerDynamicClient, type Described } from './registration.ts'
export {
  createResource,
  knownResource,
  ownResource,
  pageResources,
  removeResource,
  resourceNames,
} from './resources.ts'

export interface NewClient extends ClientSettings {
  readonly authMethod: AuthMethod
}

/** Registers a client; its secret, if it has one, is told this once. */
export async function createClient(
  ctx: Context,
  input: NewClient,
): Promise<{ client: Client; secret: string | undefined }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('clients:create', { type: 'clients' })
    requireConsistent(input)
    const secret = hasSecret(input.authMethod) ? newSecret(tx.random, clientSecretPrefix) : undefined
    const now = tx.clock.now()
    const client: Client = {
      ...input,
      id: tx.newId('client'),
      source: 'registered',
      url: undefined,
      secretDigest: secret === undefined ? undefined : sha256(secret),
      createdBy: actorOf(tx.caller),
      createdAt: now,
      updatedAt: now,
      expiresAt: undefined,
    }
    await insertClient(tx, client)
    recordEvent(tx, { type: 'client.created', resource: resourceName(client.id), data: told(client) })
    return { client, secret }
  })
}

export async function pageClients(ctx: Context, query: { limit: number; cursor?: string | undefined }) {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('clients:read', { type: 'clients' })
    const before = readIdCursor('client', query.cursor)
    return toPage(await listClients(tx, before, query.limit + 1), query.limit, ({ id }) => [id])
  })
}

export async function getClient(ctx: Context, id: ClientId): Promise<Client> {
  return inTransaction(ctx, async (tx) => {
    const client = requireFound(await findClient(tx, id), id)
    await tx.authorize('clients:read', { type: 'clients', id })
    return client
  })
}

export async function updateClient(ctx: Context, id: ClientId, change: ClientChange): Promise<Client> {
  return inTransaction(ctx, async (tx) => {
    const client = await requireForChange(tx, 'clients:update', id)
    requireOwnSession(tx, 'the change of an OAuth client')
    if (client.source !== 'registered')
      throw new Problem('wrong-state', `${id} describes itself; delete it, and register it as your own to change it`)
    const changed = applyChange(client, change, tx.clock.now())
    requireConsistent(changed)
    await updateClientRow(tx, changed)
    recordEvent(tx, { type: 'client.updated', resource: resourceName(id), data: told(changed), narrows: true })
    return changed
  })
}

export async function rotateClientSecret(ctx: Context, id: ClientId): Promise<string> {
  return inTransaction(ctx, async (tx) => {
    const client = await requireForChange(tx, 'clients:rotate-secret', id)
    requireOwnSession(tx, 'the new secret of an OAuth client')
    if (!hasSecret(client.authMethod)) throw new Problem('wrong-state', `${id} authenticates by ${client.authMethod}`)
    const secret = newSecret(tx.random, clientSecretPrefix)
    await updateClientRow(tx, { ...client, secretDigest: sha256(secret), updatedAt: tx.clock.now() })
    recordEvent(tx, { type: 'client.secret-rotated', resource: resourceName(id), narrows: true })
    return secret
  })
}

/** Removes a client; every session that it was given ends. */
export async function removeClient(ctx: Context, id: ClientId): Promise<number> {
  return inTransaction(ctx, async (tx) => {
    const client = await requireForChange(tx, 'clients:delete', id)
    const ended = await endSessionsOfClient(tx, client.url ?? id)
    await deleteClient(tx, id)
    const data = { name: client.name, endedSessions: ended }
    recordEvent(tx, { type: 'client.deleted', resource: resourceName(id), data, narrows: true })
    return ended
  })
}

/** The client that a name on the wire stands for: an id of ours, or the URL of its metadata. */
export async function knownClient(ctx: Context, name: string): Promise<Client | undefined> {
  const now = ctx.clock.now()
  const client = await inTransaction(ctx, (tx) =>
    isId('client', name) ? findClient(tx, name) : findClientOfUrl(tx, name),
  )
  return client?.expiresAt && client.expiresAt <= now ? undefined : client
}

/** Whether a secret is a client's. The digests are compared, so it takes as long for every secret. */
export async function isClientSecret(ctx: Context, name: string, presented: string): Promise<boolean> {
  const client = await knownClient(ctx, name)
  return client?.secretDigest !== undefined && equalDigests(client.secretDigest, sha256(presented))
}

async function requireForChange(
  tx: Transaction,
  action: 'clients:update' | 'clients:delete' | 'clients:rotate-secret',
  id: ClientId,
): Promise<Client> {
  const client = requireFound(await findClientForUpdate(tx, id), id)
  await tx.authorize(action, { type: 'clients', id })
  return client
}

function requireFound(client: Client | undefined, id: ClientId): Client {
  if (!client) throw notFound('clients', id)
  return client
}

/** What the log tells of a client. */
function told({ name, authMethod, source, redirectUris, grantTypes, defaultScopes }: Client) {
  return {
    name,
    authMethod,
    source,
    redirectUris: [...redirectUris],
    grantTypes: [...grantTypes],
    defaultScopes: [...defaultScopes],
  }
}

function resourceName(id: ClientId): string {
  return `agent-iam/clients/${id}`
}
