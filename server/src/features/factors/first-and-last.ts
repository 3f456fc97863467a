import type { UserId } from '@agent-iam/contract/ids'
import type { Json } from '@agent-iam/contract/json'
import type { Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { isFactorRequired, readFactors } from './held.ts'
import { kindsOf, type Factors } from './model.ts'
import { issueRecoveryCodes } from './recovery-codes.ts'
import { replaceRecoveryCodes } from './store/recovery-codes.ts'

/** Which factor it is, as events tell it; what its person calls it is sealed. */
export interface FactorName {
  readonly kind: 'totp' | 'passkey'
  readonly id?: string
  readonly name?: string
}

/** Records a new factor; with the first one come recovery codes. The identity is locked, so only one is the first. */
export async function recordEnrolled(
  tx: Transaction,
  userId: UserId,
  { before, factor }: { before: Factors; factor: FactorName },
): Promise<string[] | undefined> {
  recordEvent(tx, { type: 'factor.enrolled', ...about(userId, factor) })
  return kindsOf(before).length === 0 ? issueRecoveryCodes(tx, userId) : undefined
}

/** Records that a factor has another name. */
export function recordRenamed(tx: Transaction, userId: UserId, factor: FactorName): void {
  recordEvent(tx, { type: 'factor.renamed', ...about(userId, factor) })
}

/** Records that a factor is gone; with the last one go the recovery codes. Throws when the person must keep one. */
export async function recordRemoved(tx: Transaction, userId: UserId, factor: FactorName): Promise<void> {
  const isLast = kindsOf(await readFactors(tx, userId)).length === 0
  if (isLast && (await isFactorRequired(tx, userId)))
    throw new Problem('wrong-state', 'administrators of this tenant need a second factor; enrol another one first')
  if (isLast) await replaceRecoveryCodes(tx, userId, [])
  recordEvent(tx, { type: 'factor.removed', ...about(userId, factor), narrows: true })
}

function about(userId: UserId, { kind, id, name }: FactorName) {
  const data: Record<string, Json> = { kind, ...(id !== undefined && { id }) }
  return {
    resource: `agent-iam/users/${userId}`,
    data,
    ...(name !== undefined && { personal: { subject: userId, fields: { name } } }),
  }
}
