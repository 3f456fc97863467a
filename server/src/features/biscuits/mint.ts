import type { AuthorityFacts } from '@agent-iam/standards/biscuit/facts'
import { mint } from '@agent-iam/standards/biscuit/mint'
import { verify } from '@agent-iam/standards/biscuit/verify'
import { BiscuitError } from '@agent-iam/standards/biscuit/errors'
import { platformResourceType } from '@agent-iam/contract/capabilities'
import { asSystem, inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { biscuitLibrary } from './library.ts'
import { audienceOf, toRights, wholeSeconds, type BiscuitGrant, type MintedBiscuit } from './model.ts'
import { deleteExpired, insertBiscuit } from './store.ts'

/**
 * Signs a Biscuit for a session, and keeps its revocation id; the token itself nowhere. NOTE: not inside a transaction.
 *
 * The session must be committed. It is what the token presents: should it end meanwhile, the token is worth nothing.
 */
export async function mintBiscuit(ctx: Context, grant: BiscuitGrant): Promise<MintedBiscuit> {
  const { tenantId, sessionId, identityId, expiresAt } = grant
  const rootKey = await ctx.keys.signingRootKey(tenantId)
  const { rootKeyId } = rootKey
  const signed = await sign(rootKey, factsOf(ctx, grant))
  await inTransaction(asSystem(ctx, tenantId), async (tx) => {
    await deleteExpired(tx)
    await insertBiscuit(tx, { revocationId: signed.revocationId, sessionId, rootKeyId, expiresAt })
    recordEvent(tx, {
      type: 'biscuit.minted',
      ...(ctx.caller.kind === 'anonymous' && { actor: identityId, authentication: { session: sessionId } }),
      resource: `agent-iam/sessions/${sessionId}`,
      data: { revocationId: signed.revocationId, rootKeyId, expiresAt: expiresAt.toISOString() },
    })
  })
  return signed
}

function factsOf(ctx: Context, grant: BiscuitGrant): AuthorityFacts {
  const issuer = ctx.keys.issuerOf(grant.tenantId)
  return {
    issuer,
    audience: audienceOf(issuer),
    tenant: grant.tenantId,
    agent: grant.identityId,
    parent: grant.parent,
    session: grant.sessionId,
    task: grant.taskId,
    rights: toRights(grant),
    reservedTypes: [platformResourceType],
    issuedAt: wholeSeconds(ctx.clock.now()),
    expiresAt: wholeSeconds(grant.expiresAt),
    confirmation: grant.confirmation,
    statusList: grant.statusList,
  }
}

type SigningKey = Awaited<ReturnType<Context['keys']['signingRootKey']>>

async function sign({ rootKeyId, privateKey, publicKey }: SigningKey, facts: AuthorityFacts): Promise<MintedBiscuit> {
  const library = await biscuitLibrary()
  const rootPrivateKey = Buffer.from(privateKey, 'hex')
  try {
    const token = mint(library, { rootPrivateKey, rootKeyId, facts })
    const [revocationId = ''] = verify(library, token, () => publicKey).revocationIds
    return { token, revocationId }
  } catch (error) {
    if (error instanceof BiscuitError && error.code === 'too-large') throw tooLarge(error)
    throw error
  } finally {
    rootPrivateKey.fill(0)
  }
}

function tooLarge(cause: BiscuitError): Problem {
  return new Problem('too-large', 'so many capabilities fit into no Biscuit; name those that are needed', { cause })
}
