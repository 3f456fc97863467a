import { GrantConditions } from '@agent-iam/contract/conditions'
import type { IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { closureOf } from '../../capabilities/model.ts'
import { authorityStands, onlySupported, readRoleDefinitions, sourceLives } from '../../capabilities/service.ts'
import type { Holder, Sourced } from '../permission.ts'

interface Row {
  kind: 'user' | 'service' | 'agent'
  id: string
  status: string
  expires_at: Date | null
  lent_scope: string[] | null
  attenuated: boolean
}

/** What each of some identities holds now, and each who lends them authority, the nearest first; with where from. */
export async function listHolders(tx: Transaction, acting: readonly IdentityId[]): Promise<Holder[]> {
  const now = tx.clock.now()
  const { rows } = await sql<Row>`
    select kind, id, status, expires_at, lent_scope, lent_blocks is not null as attenuated
    from read_decision_basis(${acting.map(toUuid)}::uuid[], null, ${now}::timestamptz)
    where place is not null`.execute(tx.db)
  const uuids = rows.map(({ id }) => id)
  const byGrant = await listByGrant(tx, uuids)
  const byRole = await listByRole(tx, uuids)
  return rows.map((row) => ({
    id: fromUuid(row.kind, row.id),
    isActive: row.status === 'active' && (row.expires_at === null || row.expires_at > now),
    expiresAt: row.expires_at ?? undefined,
    lentScope: row.lent_scope ?? undefined,
    isAttenuated: row.attenuated,
    held: [...(byGrant.get(row.id) ?? []), ...(byRole.get(row.id) ?? [])],
  }))
}

/** By the UUID of the holder. */
type ByHolder = Map<string, Sourced[]>

async function listByGrant(tx: Transaction, uuids: readonly string[]): Promise<ByHolder> {
  const rows = await tx.db
    .selectFrom('capability_grants')
    .select(['identity_id', 'id', 'entry', 'conditions', 'expires_at', 'granted_by', 'granted_at', 'source_identity'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', 'in', [...uuids, noUuid])
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', tx.clock.now())]))
    .where((where) => where.or([where('valid_from', 'is', null), where('valid_from', '<=', tx.clock.now())]))
    .where(authorityStands(tx))
    .orderBy('entry')
    .execute()
  const granted = rows.map((row) => ({
    holder: row.identity_id,
    entry: row.entry,
    ...(row.source_identity !== null && { source: fromUuid('agent', row.source_identity) }),
    grantId: fromUuid('grant', row.id),
    role: undefined,
    via: undefined,
    conditions: row.conditions === null ? undefined : GrantConditions.parse(row.conditions),
    until: row.expires_at ?? undefined,
    grantedBy: row.granted_by,
    grantedAt: row.granted_at,
  }))
  const [supported = []] = await onlySupported(tx, [granted])
  return Map.groupBy(supported, ({ holder }) => holder)
}

async function listByRole(tx: Transaction, uuids: readonly string[]): Promise<ByHolder> {
  const rows = await tx.db
    .selectFrom('role_assignments')
    .select(['identity_id', 'role', 'valid_until', 'granted_by', 'granted_at'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', 'in', [...uuids, noUuid])
    .where((where) => where.or([where('valid_until', 'is', null), where('valid_until', '>', tx.clock.now())]))
    .where((where) => where.or([where('valid_from', 'is', null), where('valid_from', '<=', tx.clock.now())]))
    .where(sourceLives(tx))
    .orderBy('role')
    .execute()
  const definitions = await readRoleDefinitions(tx)
  const sourced = rows.flatMap((row) =>
    closureOf([row.role], definitions).flatMap(({ key, permissions }) =>
      permissions.map(({ entry, conditions }) => ({
        holder: row.identity_id,
        entry,
        grantId: undefined,
        role: row.role,
        via: key === row.role ? undefined : key,
        conditions,
        until: row.valid_until ?? undefined,
        grantedBy: row.granted_by,
        grantedAt: row.granted_at,
      })),
    ),
  )
  return Map.groupBy(sourced, ({ holder }) => holder)
}

/** A list may not be empty in SQL. */
const noUuid = '00000000-0000-0000-0000-000000000000'
