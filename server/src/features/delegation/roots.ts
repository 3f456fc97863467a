import { actingOf, actorOf, inTransaction, type Context } from '../../platform/context.ts'
import { readChain } from './store.ts'

/**
 * Whom a caller's use of something shared counts against: of each identity whose rights it uses, who answers for the root
 * of its delegation chain. Children and agents are free to make, so they do not count by themselves.
 */
export async function readRoots(ctx: Context): Promise<string[]> {
  const { caller } = ctx
  if (caller.kind === 'enrolment-token') return [caller.kind]
  if (caller.kind !== 'identity') return [actorOf(caller)]
  return inTransaction(ctx, async (tx) => {
    const roots = new Set<string>()
    for (const id of actingOf(caller)) {
      const root = (await readChain(tx, id)).at(-1)
      roots.add(root?.owner ?? root?.id ?? id)
    }
    return [...roots]
  })
}
