import { addressNetwork } from '../../platform/address-network.ts'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { hmacSha256, sha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import { newSecret } from '../../platform/random.ts'
import { recordEvent } from '../audit/service.ts'
import { countAnonymousRow } from '../credentials/service.ts'
import {
  clientSecretPrefix,
  hasSecret,
  registrationsPerHourMax,
  unusedClientSeconds,
  type AuthMethod,
  type Client,
  type ClientSettings,
} from './model.ts'
import { countRegistration, findClientOfUrl, insertClient, upsertClientOfUrl } from './store/clients.ts'

/** What a client says of itself; nobody vouches for it. */
export interface Described extends ClientSettings {
  readonly authMethod: AuthMethod
}

/**
 * Keeps a client that registered itself (RFC 7591), for an hour unless it is used. So many from one network in an hour
 * are taken, and no more.
 */
export async function registerDynamicClient(
  ctx: Context,
  described: Described,
): Promise<{ client: Client; secret: string | undefined }> {
  return inTransaction(ctx, async (tx) => {
    await requireQuota(tx)
    const secret = hasSecret(described.authMethod) ? newSecret(tx.random, clientSecretPrefix) : undefined
    const client: Client = {
      ...made(tx, described),
      source: 'dynamic',
      url: undefined,
      secretDigest: secret === undefined ? undefined : sha256(secret),
      expiresAt: addSeconds(tx.clock.now(), unusedClientSeconds),
    }
    await insertClient(tx, client)
    tell(tx, client)
    return { client, secret }
  })
}

/** Keeps what the document says that names a client; from then on every instance may read the document again. */
export async function keepDescribedClient(ctx: Context, url: string, described: Described): Promise<void> {
  await inTransaction(ctx, async (tx) => {
    const known = await findClientOfUrl(tx, url)
    if (known && isSame(known, described)) return
    if (!known) await requireQuota(tx)
    const source = 'metadata-document' as const
    const client: Client = { ...made(tx, described), source, url, secretDigest: undefined, expiresAt: undefined }
    await upsertClientOfUrl(tx, client)
    tell(tx, known ? { ...client, id: known.id } : client)
  })
}

function made(tx: Transaction, described: Described) {
  const now = tx.clock.now()
  return { ...described, id: tx.newId('client'), createdBy: 'anonymous', createdAt: now, updatedAt: now }
}

async function requireQuota(tx: Transaction): Promise<void> {
  const network = hmacSha256(tx.sealer.derive('oauth registrations'), addressNetwork(tx.caller.address))
  if (await countRegistration(tx, network, registrationsPerHourMax)) return countAnonymousRow(tx)
  throw new Problem('too-many-attempts', 'too many clients were registered from this network; try again in an hour', {
    retryAfterSeconds: 3600,
  })
}

function isSame(known: Client, described: Described): boolean {
  const parts = ({ name, redirectUris, authMethod, grantTypes }: Described) =>
    JSON.stringify([name, redirectUris, authMethod, grantTypes])
  return parts(known) === parts(described)
}

/** A stranger chose the name, so it is sealed: it may name anybody. */
function tell(tx: Transaction, { id, source, url, redirectUris, name }: Client): void {
  recordEvent(tx, {
    type: 'client.registered',
    resource: `agent-iam/clients/${id}`,
    data: { source, ...(url !== undefined && { url }), redirectUris: [...redirectUris] },
    personal: { subject: 'month', fields: { name, address: tx.caller.address } },
  })
}
