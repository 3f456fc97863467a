import type { Context, Transaction } from '../../platform/context.ts'
import { audienceOf } from '../biscuits/model.ts'
import { permits } from '../biscuits/service.ts'
import { resourceText, type Question } from './model.ts'

/**
 * Whether the blocks of every one of these Biscuits permit what is asked. The evaluation counts against the root. The blocks see
 * what a capability is asked: of a platform action `noun:verb` the verb, since the noun stands in the resource already.
 */
export async function blocksPermit(
  ctx: Context | Transaction,
  { tokens, root }: { readonly tokens: readonly string[]; readonly root: string },
  question: Question,
): Promise<boolean> {
  if (tokens.length === 0) return true
  const { action, resource, now: time } = question
  const operation = action.slice(action.indexOf(':') + 1)
  const audience = audienceOf(ctx.keys.issuerOf(ctx.caller.tenantId))
  for (const token of tokens)
    if (!(await permits(ctx, { token, root }, { operation, resource: resourceText(resource), audience, time })))
      return false
  return true
}
