import type { SessionId, UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { setPassword } from '../credentials/service.ts'
import type { Letter } from '../mail/model.ts'
import { nameOf, paragraphs, postNews, type Sender } from '../mail/service.ts'
import { endSessionsOf } from './ending.ts'

interface Renewal {
  readonly user: { readonly id: UserId; readonly email: string | undefined }
  readonly hash: string
  /** The session that goes on. */
  readonly except?: SessionId
}

/**
 * Gives a user another password, ends what the old one began, sessions and links that would reset it, and tells the
 * person by mail: whoever it was that changed it.
 */
export async function renewPassword(
  tx: Transaction,
  { user: { id, email }, hash, except }: Renewal,
): Promise<{ changedAt: Date; endedSessions: number }> {
  await setPassword(tx, id, hash)
  const ended = await endSessionsOf(tx, id, { reason: 'password changed', except })
  const { address } = tx.caller
  recordEvent(tx, {
    type: 'user.password-changed',
    actor: id,
    resource: `agent-iam/users/${id}`,
    data: { endedSessions: ended.length },
    personal: { subject: id, fields: { address } },
    narrows: true,
  })
  if (email !== undefined) await postNews(tx, email, changedLetter)
  return { changedAt: tx.clock.now(), endedSessions: ended.length }
}

function changedLetter({ tenant }: Sender, { to, expiresAt }: { to: string; expiresAt: Date }): Letter {
  return {
    purpose: 'password-changed',
    to,
    expiresAt,
    subject: 'Your password was changed',
    text: paragraphs(
      `Your password at ${nameOf(tenant)} was changed, and your other sessions were ended.`,
      'If it was not you, ask for a new password at once and tell your administrator.',
    ),
  }
}
