import type { SessionId } from '@agent-iam/contract/ids'
import { inTransaction, type Context } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { recordEvent } from '../audit/service.ts'

/** A person's answer to what a client asked of them. */
interface Consent {
  readonly accountId: string
  /** The login in the browser in which the person answered. */
  readonly sessionId: SessionId | undefined
  /** As it is named on the wire. */
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly isGiven: boolean
}

/** Puts a person's answer on record. */
export async function recordConsent(
  ctx: Context,
  { accountId, sessionId, clientId, scopes, isGiven }: Consent,
): Promise<void> {
  if (!isId('user', accountId)) throw new Error('only people consent')
  await inTransaction(ctx, (tx) => {
    recordEvent(tx, {
      type: isGiven ? 'consent.given' : 'consent.refused',
      actor: accountId,
      authentication: { session: sessionId, client: clientId },
      data: { clientId, scopes: [...scopes] },
      personal: { subject: accountId, fields: { address: tx.caller.address } },
    })
    return Promise.resolve()
  })
}
