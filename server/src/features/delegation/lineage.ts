import { treeNodesMax } from '@agent-iam/contract/delegation'
import type { IdentityId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { notFound } from '../../platform/problem.ts'
import { nounOf } from '../identities/model.ts'
import { toTree, type ChainMember } from './model.ts'
import { listDescendants, readChain } from './store.ts'

/** Who lends an identity its authority: itself first, the root last. */
export async function showChain(ctx: Context, id: IdentityId): Promise<ChainMember[]> {
  return inTransaction(ctx, async (tx) => {
    const { member, above } = await loadVisible(tx, id)
    return [member, ...above]
  })
}

/** The tree of those to whom an identity lends authority, with how many they are. */
export async function showDescendants(ctx: Context, id: IdentityId) {
  return inTransaction(ctx, async (tx) => {
    const { member } = await loadVisible(tx, id)
    const { total, descendants } = await listDescendants(tx, id, treeNodesMax)
    return { total, isComplete: total === descendants.length, tree: toTree(member, descendants) }
  })
}

/** Who may read an identity may read who stands above and below it: one answers for the other. */
async function loadVisible(tx: Transaction, id: IdentityId): Promise<{ member: ChainMember; above: ChainMember[] }> {
  const [member, ...above] = await readChain(tx, id)
  const noun = nounOf(id)
  if (!member) throw notFound(noun, id)
  const ancestors = above.map((each) => each.id)
  await tx.authorize(`${noun}:read`, {
    type: noun,
    id,
    identity: id,
    ancestors,
    ...(member.owner && { owner: member.owner }),
  })
  return { member, above }
}
