import type { IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { toUuid } from '../../../platform/ids.ts'

/** The entries granted to an identity that have not run out, begun or not, under whatever conditions. */
export async function listReached(tx: Transaction, identityId: IdentityId): Promise<string[]> {
  const rows = await tx.db
    .selectFrom('capability_grants')
    .select('entry')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', tx.clock.now())]))
    .execute()
  return rows.map(({ entry }) => entry)
}

/** The roles assigned to an identity that have not run out, begun or not. */
export async function listRoleKeys(tx: Transaction, identityId: IdentityId): Promise<string[]> {
  const rows = await tx.db
    .selectFrom('role_assignments')
    .select('role')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where((where) => where.or([where('valid_until', 'is', null), where('valid_until', '>', tx.clock.now())]))
    .execute()
  return rows.map(({ role }) => role)
}
