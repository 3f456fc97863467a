import type { Context, Transaction } from '../../platform/context.ts'
import { notNarrowed } from '../identities/model.ts'
import { requireSession } from '../sessions/service.ts'
import { protectedOf, readAskedFor, type Subject } from './asked-for.ts'
import { decideAlong } from './chain.ts'
import type { Decider } from './decider.ts'
import { platformResource, type Facts } from './model.ts'
import { presentedBy } from './presented.ts'

/**
 * Whether the caller may ask for somebody, on what was read before; false where that is not known. The same as authorising
 * the caller, without a look at the database.
 */
export async function mayAskAgain(ctx: Context, decider: Decider, { hops }: Pick<Facts, 'hops'>): Promise<boolean> {
  const self = plainSelf(ctx)
  const resourceFacts = protectedOf(hops)
  const resource = platformResource(resourceFacts)
  const known = self && (await decider.recent?.find(ctx, self, resource))
  // Whom blocks bind, the authorizer asks more than this.
  if (!known || known.facts.hops.some(({ lent }) => lent.blocks !== undefined)) return false
  const { caller, clock } = ctx
  const { decision } = await decideAlong(
    { decider, rules: known.rules, ctx },
    { ...known.facts, lent: self.lent ?? notNarrowed, presented: self.presented },
    {
      tenantId: caller.tenantId,
      action: `${resourceFacts.type}:check`,
      resource,
      resourceFacts,
      request: {},
      now: clock.now(),
      address: caller.address,
    },
  )
  return decision === 'allow'
}

/** Keeps what is known of a caller that may ask for somebody, for when it asks again; with the rules of the same moment. */
export async function keepAsker(tx: Transaction, decider: Decider): Promise<void> {
  const subject = plainSelf(tx)
  if (!subject || !decider.recent) return
  const facts = await readAskedFor(tx, subject)
  const rules = await decider.rulesFor(tx, facts)
  const resource = platformResource(protectedOf(facts.hops))
  decider.recent.keep(tx, { ...facts, facts, rules, registered: undefined }, { subject, resource })
}

/** The caller itself as the subject, where it acts for nobody and with a whole token; undefined for any other. */
function plainSelf({ caller }: Pick<Context, 'caller'>): Subject | undefined {
  const { identityId, sessionId, actors, attenuation, scope } = requireSession(caller)
  if (actors.length > 0 || attenuation !== undefined) return undefined
  const [lent, presented] = [{ scope, blocks: undefined }, presentedBy(caller)]
  return { acting: [identityId], identityId, sessionId, basis: 'token', lent, presented }
}
