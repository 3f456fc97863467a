import type { Generated, Selectable } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { isRole } from '../../capabilities/model.ts'
import { sourceLives } from '../../capabilities/service.ts'
import type { Invitation, InvitationId } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    invitations: {
      tenant_id: string
      id: string
      email: string
      name: string
      role: string
      status: Invitation['state']
      invited_by: string
      created_at: Date
      expires_at: Date
      finished_at: Date | null
      user_id: string | null
      source_session: Generated<string | null>
    }
  }
}

/** Returns false when another to the same address waits: the unique index decides. */
export async function insertInvitation(tx: Transaction, invitation: Invitation): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('invitations')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(invitation.id),
      email: invitation.email,
      name: invitation.name,
      role: invitation.role,
      invited_by: invitation.invitedBy,
      created_at: invitation.createdAt,
      expires_at: invitation.expiresAt,
      ...changing(invitation),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return inserted !== undefined
}

export async function updateInvitation(tx: Transaction, invitation: Invitation): Promise<void> {
  await tx.db
    .updateTable('invitations')
    .set(changing(invitation))
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(invitation.id))
    .execute()
}

export async function findInvitation(tx: Transaction, id: InvitationId): Promise<Invitation | undefined> {
  const row = await invitations(tx).where('id', '=', toUuid(id)).where(sourceLives(tx)).executeTakeFirst()
  return row && toInvitation(row)
}

export async function findInvitationForUpdate(tx: Transaction, id: InvitationId): Promise<Invitation | undefined> {
  const row = await invitations(tx).where('id', '=', toUuid(id)).where(sourceLives(tx)).forUpdate().executeTakeFirst()
  return row && toInvitation(row)
}

/** Those that wait, to an address or from an inviter. */
export async function revokePending(
  tx: Transaction,
  whose: { email: string } | { invitedBy: string },
): Promise<InvitationId[]> {
  const [column, value] =
    'email' in whose ? (['email', whose.email] as const) : (['invited_by', whose.invitedBy] as const)
  const rows = await tx.db
    .updateTable('invitations')
    .set({ status: 'revoked', finished_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('status', '=', 'pending')
    .where(column, '=', value)
    .returning('id')
    .execute()
  return rows.map(({ id }) => fromUuid('invitation', id))
}

/** Newest first. */
export async function listInvitations(
  tx: Transaction,
  before: InvitationId | undefined,
  limit: number,
): Promise<Invitation[]> {
  const rows = await invitations(tx)
    .$if(before !== undefined, (query) => query.where('id', '<', toUuid(before ?? 'inv_')))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toInvitation)
}

function invitations(tx: Transaction) {
  return tx.db.selectFrom('invitations').selectAll().where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function changing({ state, finishedAt, userId }: Invitation) {
  return { status: state, finished_at: finishedAt ?? null, user_id: userId === undefined ? null : toUuid(userId) }
}

function toInvitation(row: Selectable<Tables['invitations']>): Invitation {
  if (!isRole(row.role)) throw new Error(`invitation ${row.id} is to a role that is none`)
  return {
    id: fromUuid('invitation', row.id),
    email: row.email,
    name: row.name,
    role: row.role,
    state: row.status,
    invitedBy: row.invited_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    finishedAt: row.finished_at ?? undefined,
    userId: row.user_id === null ? undefined : fromUuid('user', row.user_id),
  }
}
