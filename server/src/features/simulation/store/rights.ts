import { GrantConditions } from '@agent-iam/contract/conditions'
import type { GrantId, IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

/** A grant, or a role that is assigned. */
export interface Right {
  readonly from: 'grant' | 'role'
  /** The entry, or the role's key. */
  readonly right: string
  readonly grantId: GrantId | undefined
  readonly conditions: GrantConditions | undefined
  readonly since: Date
  readonly grantedBy: string
}

export interface Holder {
  readonly id: IdentityId
  readonly name: string
  readonly rights: readonly Right[]
}

interface Wanted {
  readonly after: IdentityId | undefined
  readonly only: IdentityId | undefined
  readonly limit: number
}

/** Who holds any right that has not run out, by id. Reads the tables of others: nobody else asks for all at once. */
export async function listHolders(tx: Transaction, { after, only, limit }: Wanted): Promise<Holder[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<Row>`
    with held as (
      select identity_id, 'grant' as of, entry as name, id as grant_id, conditions, granted_by,
        greatest(granted_at, valid_from) as since
      from capability_grants where tenant_id = ${tenant} and (expires_at is null or expires_at > ${tx.clock.now()})
      union all
      select identity_id, 'role', role, null, null, granted_by, greatest(granted_at, valid_from)
      from role_assignments where tenant_id = ${tenant} and (valid_until is null or valid_until > ${tx.clock.now()})
    ), holders as (
      select i.id, i.kind, i.name from identities i where i.tenant_id = ${tenant} and i.status <> 'deleted'
        and (${only ? toUuid(only) : null}::uuid is null or i.id = ${only ? toUuid(only) : null}::uuid)
        and (${after ? toUuid(after) : null}::uuid is null or i.id > ${after ? toUuid(after) : null}::uuid)
        and exists (select from held h where h.identity_id = i.id)
      order by i.id limit ${limit}
    )
    select o.id, o.kind, o.name as identity_name, h.of, h.name, h.grant_id, h.conditions, h.granted_by, h.since
    from holders o join held h on h.identity_id = o.id order by o.id, h.of, h.name`.execute(tx.db)
  return [...Map.groupBy(rows, ({ id }) => id).values()].flatMap(toHolder)
}

interface Row {
  id: string
  kind: 'user' | 'service' | 'agent'
  identity_name: string
  of: 'grant' | 'role'
  name: string
  grant_id: string | null
  conditions: unknown
  granted_by: string
  since: Date
}

function toHolder(rows: readonly Row[]): Holder[] {
  const [first] = rows
  return first ? [{ id: fromUuid(first.kind, first.id), name: first.identity_name, rights: rows.map(toRight) }] : []
}

function toRight({ of, name, grant_id, conditions, granted_by, since }: Row): Right {
  return {
    from: of,
    right: name,
    grantId: grant_id === null ? undefined : fromUuid('grant', grant_id),
    conditions: conditions === null ? undefined : GrantConditions.parse(conditions),
    since,
    grantedBy: granted_by,
  }
}
