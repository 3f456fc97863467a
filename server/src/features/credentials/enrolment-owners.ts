import type { UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { updateEnrolmentOwner } from './store/enrolment-owners.ts'

export { holdEnrolmentTokensOf } from './store/enrolment-owners.ts'

/** Gives a person's enrolment tokens to an heir, who answers for what they register; without one they end. */
export async function handOnEnrolmentTokens(tx: Transaction, from: UserId, heir: UserId | undefined): Promise<void> {
  for (const id of await updateEnrolmentOwner(tx, from, heir))
    recordEvent(tx, {
      type: heir ? 'enrolment-token.owner-changed' : 'enrolment-token.revoked',
      resource: `agent-iam/enrolment-tokens/${id}`,
      data: { from, to: heir ?? null },
      narrows: true,
    })
}
