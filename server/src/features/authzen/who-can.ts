import type { WhoCan, WhoCanAnswer } from '@agent-iam/contract/authorization'
import type { Context } from '../../platform/context.ts'
import { readResource, type Decider } from '../authorization/service.ts'
import { toContext } from './model.ts'
import { nextToken, readPage } from './page-token.ts'
import { findWho } from './searches.ts'

/** Who may do something to a resource, and by what. */
export async function whoCan(
  ctx: Context,
  decider: Decider,
  { limit, cursor, ...asked }: WhoCan,
): Promise<WhoCanAnswer> {
  const { kind, action } = asked
  const resource = readResource(asked.resource)
  const question = { search: 'who-can', ...asked }
  const part = readPage(question, { limit, token: cursor })
  const { context, facts } = toContext({ context: asked.context })
  const found = await findWho(ctx, decider, { context, facts, part, kind, action, resource })
  return {
    identities: found.results.map(({ id, kind: kindOfIt, name, reasons, trustScore, riskLevel }) => ({
      identityId: id,
      kind: kindOfIt,
      name,
      reasons,
      trustScore,
      riskLevel,
    })),
    decided: found.decided,
    nextCursor: nextToken(question, part.limit, found.position) || null,
  }
}
