import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import { isId } from '../../platform/ids.ts'
import type { ClientId } from './model.ts'

/** What the sessions rest on that a credential begins. */
export interface Delegation {
  /** Who created the credential, where that was not the client itself: its sessions reach no more than they hold. */
  readonly delegator?: IdentityId
  /** The session that created the credential, and with which its sessions end. */
  readonly source?: SessionId
}

/** A credential of another identity acts with the authority of who created it (DESIGN D6). */
export function delegationOf(
  client: ClientId,
  { createdBy, source }: { readonly createdBy: string; readonly source: SessionId | undefined },
): Delegation {
  const isIdentity = isId('user', createdBy) || isId('service', createdBy) || isId('agent', createdBy)
  return {
    ...(isIdentity && createdBy !== client && { delegator: createdBy }),
    ...(source && { source }),
  }
}
