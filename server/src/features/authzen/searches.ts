import type { Decision } from '@agent-iam/contract/authorization'
import { IdentityIdSchema, type IdentityId } from '@agent-iam/contract/ids'
import type { OpenObject } from '@agent-iam/contract/json'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { ofAnotherList } from '../../platform/paging.ts'
import { recordEvent } from '../audit/service.ts'
import { resourceText, trustOf, type Facts, type Trust } from '../authorization/model.ts'
import { findSubject, readAskedFor, readFacts, type Decider } from '../authorization/service.ts'
import type { ResourceName } from '../capabilities/model.ts'
import { notNarrowed } from '../identities/model.ts'
import type { CedarJson } from '../policies/model.ts'
import { requireSession } from '../sessions/service.ts'
import { knownActions } from './actions.ts'
import type { Part } from './page-token.ts'
import { decideCandidate, decidedMax, seek, type Page } from './search.ts'
import { listCandidates, listResourceIds } from './store.ts'

/** What a search is about, but for what it looks for. */
interface Told {
  /** As it was sent, for the log. */
  readonly context: OpenObject
  readonly facts: Readonly<Record<string, CedarJson>>
  readonly part: Part
}

export interface WhoAsked extends Told {
  readonly kind: 'user' | 'service' | 'agent' | undefined
  readonly action: string
  readonly resource: ResourceName
}

export interface Permitted extends Trust {
  readonly id: IdentityId
  readonly kind: 'user' | 'service' | 'agent'
  readonly name: string
  readonly reasons: Decision['reasons']
}

/** To see who may do what is more than to ask for one that is known. */
export async function requireMaySearch(ctx: Context | Transaction): Promise<void> {
  await inTransaction(ctx, (tx) => tx.authorize('decisions:search', { type: 'decisions' }))
}

/** Who may do something, as far as an id alone tells: of nobody is a token looked at. */
export async function findWho(ctx: Context, decider: Decider, asked: WhoAsked): Promise<Page<Permitted>> {
  const { sessionId } = requireSession(ctx.caller)
  const after = identityAfter(asked.part)
  return searching(ctx, decider, async (tx) => {
    await requireMaySearch(tx)
    const candidates = await listCandidates(tx, { kind: asked.kind, after, limit: decidedMax + 1 })
    const page = await seek(tx, asked.part, {
      candidates,
      positionOf: ({ id }) => id,
      decide: async ({ id, kind, name }) => {
        const facts = { ...(await readFacts(tx, [id], sessionId)), lent: notNarrowed }
        const [identity] = facts.hops
        // Somebody else may have ended it since it was listed.
        if (!identity) return undefined
        const { decision, reasons } = await decideCandidate(tx, decider, facts, asked)
        if (decision === 'deny') return undefined
        return { id, kind, name, reasons: reasons.map((reason) => ({ ...reason })), ...trustOf(identity) }
      },
    })
    return recorded(tx, page, { ...asked, sought: 'subject' })
  })
}

interface OfSubject extends Told {
  readonly identityId: IdentityId
}

/** On which registered resources of a type an identity may do something. */
export async function findResources(
  ctx: Context,
  decider: Decider,
  asked: OfSubject & { readonly action: string; readonly type: string },
): Promise<Page<string>> {
  const { action, type, identityId, part } = asked
  return forSubject(ctx, decider, identityId, async (tx, facts) => {
    const page = await seek(tx, part, {
      candidates: await listResourceIds(tx, { type, after: part.after, limit: decidedMax + 1 }),
      positionOf: (id) => id,
      decide: async (id) => {
        const { decision } = await decideCandidate(tx, decider, facts, { ...asked, resource: { type, id } })
        return decision === 'allow' ? id : undefined
      },
    })
    return recorded(tx, page, { ...asked, action, resource: { type, id: '' }, sought: 'resource' })
  })
}

/** What an identity may do to a resource, of what is known to be done to such. */
export async function findActions(
  ctx: Context,
  decider: Decider,
  asked: OfSubject & { readonly resource: ResourceName },
): Promise<Page<string>> {
  const { resource, identityId, part } = asked
  return forSubject(ctx, decider, identityId, async (tx, facts) => {
    const actions = knownActions(await decider.rulesFor(tx, facts), facts, resource.type)
    const page = await seek(tx, part, {
      candidates: actions.filter((action) => part.after === undefined || action > part.after),
      positionOf: (action) => action,
      decide: async (action) => {
        const { decision } = await decideCandidate(tx, decider, facts, { ...asked, action })
        return decision === 'allow' ? action : undefined
      },
    })
    return recorded(tx, page, { ...asked, sought: 'action' })
  })
}

/** Who asks for another needs the permission to, as for a check. */
async function forSubject<Result>(
  ctx: Context,
  decider: Decider,
  identityId: IdentityId,
  work: (tx: Transaction, facts: Facts) => Promise<Page<Result>>,
): Promise<Page<Result>> {
  const subject = await findSubject(ctx, { identityId, subjectToken: undefined })
  return searching(ctx, decider, async (tx) => work(tx, await readAskedFor(tx, subject)))
}

async function searching<Result>(
  ctx: Context,
  decider: Decider,
  work: (tx: Transaction) => Promise<Page<Result>>,
): Promise<Page<Result>> {
  const page = await inTransaction(ctx, work)
  await decider.recordFaults(ctx)
  return page
}

interface Searched {
  readonly sought: 'subject' | 'resource' | 'action'
  readonly identityId?: IdentityId
  readonly action?: string
  readonly resource: ResourceName
  readonly context: OpenObject
}

/** One event a page: what was asked, and how much was decided. */
function recorded<Result>(tx: Transaction, page: Page<Result>, asked: Searched): Page<Result> {
  const { sought, identityId, action, resource, context } = asked
  const { decided, results } = page
  recordEvent(tx, {
    type: 'decision.searched',
    ...(action !== undefined && { action }),
    resource: resourceText(resource),
    data: { sought, decided, found: results.length, ...(identityId && { subject: identityId }) },
    ...(Object.keys(context).length > 0 && { personal: { subject: 'month', fields: { context } } }),
  })
  return page
}

function identityAfter({ after }: Part): IdentityId | undefined {
  if (after === undefined) return undefined
  const id = IdentityIdSchema.safeParse(after).data
  if (id === undefined) throw ofAnotherList()
  return id
}
