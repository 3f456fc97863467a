import type { PolicyStatus } from '@agent-iam/contract/policies'
import { inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { writePolicy } from './policy-file.ts'
import { countTextBytes, listPolicies } from './store/documents.ts'

/** Most text of one export: more than may be in force, and no more than an answer should be. */
const exportBytesMax = 16 * 1024 * 1024

/** The tenant's policies as one Cedar file, by name. */
export async function exportPolicies(
  ctx: Context,
  status: PolicyStatus | undefined,
): Promise<{ cedar: string; policies: number }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('policies:read', { type: 'policies' })
    if ((await countTextBytes(tx, status)) > exportBytesMax)
      throw new Problem('too-large', `the policies are more than ${exportBytesMax} bytes of text; ask for one status`)
    const policies = await listPolicies(tx, { status })
    return { cedar: policies.map(writePolicy).join('\n'), policies: policies.length }
  })
}
