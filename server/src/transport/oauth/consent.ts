import type { Client, Grant, Interaction, Provider } from 'oidc-provider'
import { z } from 'zod'
import { knownClient, knownResource, ownResource } from '../../features/clients/service.ts'
import { findUser } from '../../features/identities/service.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'

/** What a client asks of a person, as the consent page shows it. */
export interface ConsentQuestion {
  readonly client: Client
  /** Who vouches for the client. */
  readonly vouching: 'registered' | 'dynamic' | 'metadata-document'
  readonly redirectUri: string | undefined
  /** The account that it would act for. */
  readonly account: string
  readonly openIdScopes: readonly string[]
  readonly resources: ReadonlyArray<{
    readonly name: string
    readonly isOwn: boolean
    readonly scopes: readonly string[]
  }>
}

/** What is missing, as the provider's consent prompt tells it. */
const Missing = z.object({
  missingOIDCScope: z.array(z.string()).default([]),
  missingResourceScopes: z.record(z.string(), z.array(z.string())).default({}),
})

export async function consentQuestion(
  ctx: Context,
  provider: Provider,
  interaction: Interaction,
): Promise<ConsentQuestion> {
  const { params, prompt } = interaction
  const client = await provider.Client.find(String(params['client_id']))
  if (!client) throw new Problem('not-found', 'the client is no longer known')
  const missing = Missing.parse(prompt.details)
  const { openId, resources } = isNothing(missing) ? await givenBefore(provider, interaction) : asked(missing)
  const redirectUri = params['redirect_uri']
  return {
    client,
    vouching: (await knownClient(ctx, client.clientId))?.source ?? 'metadata-document',
    redirectUri: typeof redirectUri === 'string' ? redirectUri : undefined,
    account: await accountOf(ctx, interaction),
    openIdScopes: openId,
    resources: await Promise.all(
      resources.map(async ([uri, scopes]) => ({
        isOwn: uri === ownResource(ctx),
        name: (await knownResource(ctx, uri))?.name ?? uri,
        scopes,
      })),
    ),
  }
}

interface Scopes {
  readonly openId: readonly string[]
  readonly resources: ReadonlyArray<[string, string[]]>
}

function asked({ missingOIDCScope, missingResourceScopes }: z.output<typeof Missing>): Scopes {
  return { openId: missingOIDCScope, resources: Object.entries(missingResourceScopes) }
}

function isNothing(missing: z.output<typeof Missing>): boolean {
  const { openId, resources } = asked(missing)
  return openId.length === 0 && resources.length === 0
}

/** What the person gave before: who is asked again, though nothing is missing, is asked for that. */
async function givenBefore(provider: Provider, { grantId }: Interaction): Promise<Scopes> {
  const grant = grantId === undefined ? undefined : await provider.Grant.find(grantId)
  const openId = grant?.getOIDCScope().split(' ') ?? []
  const resources = Object.entries(grant?.resources ?? {}).map(([uri, scopes]): [string, string[]] => [
    uri,
    scopes.split(' '),
  ])
  return { openId: openId.filter((each) => each !== ''), resources }
}

async function accountOf(ctx: Context, { session }: Interaction): Promise<string> {
  const id = session?.accountId ?? ''
  if (!isId('user', id)) return ''
  const user = await inTransaction(ctx, (tx) => findUser(tx, id))
  return user?.email ?? id
}

/** What was given to whom, for the log. */
export interface Given {
  readonly accountId: string
  readonly clientId: string
  readonly scopes: readonly string[]
}

/**
 * The grant that a person's yes makes. A grant is never widened, since tokens descend from it: more is another grant
 * that holds what the old one held as well.
 */
export async function consentedGrant(
  provider: Provider,
  interaction: Interaction,
): Promise<{ grant: Grant; given: Given }> {
  const { params, prompt, session } = interaction
  const accountId = session?.accountId
  const clientId = String(params['client_id'])
  if (accountId === undefined) throw new Problem('not-found', 'nobody is logged in')
  const missing = Missing.parse(prompt.details)
  const grant = new provider.Grant({ accountId, clientId })
  const [before, more] = [await givenBefore(provider, interaction), asked(missing)]
  const resources = [...before.resources, ...more.resources]
  const openId = [...before.openId, ...more.openId]
  if (openId.length > 0) grant.addOIDCScope(openId)
  for (const [uri, scopes] of resources) grant.addResourceScope(uri, scopes)
  const scopes = [...openId, ...resources.flatMap(([, each]) => each)]
  return { grant, given: { accountId, clientId, scopes: [...new Set(scopes)] } }
}
