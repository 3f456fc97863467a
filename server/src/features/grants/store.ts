import { GrantConditions } from '@agent-iam/contract/conditions'
import type { GrantId, IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { actorOf, sourceAgentOf, sourceSessionOf, type Caller, type Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import { authorityStands } from '../capabilities/service.ts'
import type { Grant, WantedGrant } from './model.ts'

/** The grants of an identity that have not run out, begun or not. */
export async function listGrantsOf(tx: Transaction, identityId: IdentityId): Promise<Grant[]> {
  const rows = await grantsOf(tx, identityId)
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', tx.clock.now())]))
    .where(authorityStands(tx))
    .orderBy('entry')
    .execute()
  return rows.map((row) => toGrant(identityId, row))
}

/** The grant of an entry, if any, run out or not. */
export async function findGrantOf(tx: Transaction, identityId: IdentityId, entry: string): Promise<Grant | undefined> {
  const row = await grantsOf(tx, identityId).where('entry', '=', entry).executeTakeFirst()
  return row && toGrant(identityId, row)
}

export async function insertGrant(tx: Transaction, identityId: IdentityId, wanted: WantedGrant): Promise<Grant> {
  const grant = {
    ...wanted,
    id: tx.newId('grant'),
    identityId,
    grantedBy: actorOf(tx.caller),
    grantedAt: tx.clock.now(),
    standsAlone: isOwnAuthority(tx.caller),
  }
  await tx.db
    .insertInto('capability_grants')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      identity_id: toUuid(identityId),
      id: toUuid(grant.id),
      entry: grant.entry,
      granted_by: grant.grantedBy,
      granted_at: grant.grantedAt,
      ...columnsOf(wanted),
      ...sourcesOf(tx.caller),
    })
    .execute()
  return grant
}

/** Gives a grant other conditions and times; who granted it now answers for it, and it rests on their authority. */
export async function updateGrant(tx: Transaction, grant: Grant, wanted: WantedGrant): Promise<Grant> {
  const changed = {
    ...grant,
    ...wanted,
    grantedBy: actorOf(tx.caller),
    grantedAt: tx.clock.now(),
    standsAlone: isOwnAuthority(tx.caller),
  }
  await tx.db
    .updateTable('capability_grants')
    .set({
      granted_by: changed.grantedBy,
      granted_at: changed.grantedAt,
      ...columnsOf(wanted),
      ...sourcesOf(tx.caller),
    })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(grant.identityId))
    .where('id', '=', toUuid(grant.id))
    .execute()
  return changed
}

/** Returns what was taken; undefined when the identity has no such grant. */
export async function deleteGrant(tx: Transaction, identityId: IdentityId, id: GrantId): Promise<Grant | undefined> {
  const row = await tx.db
    .deleteFrom('capability_grants')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('id', '=', toUuid(id))
    .returning(columns)
    .executeTakeFirst()
  return row && toGrant(identityId, row)
}

const columns = [
  'id',
  'entry',
  'conditions',
  'valid_from',
  'expires_at',
  'granted_by',
  'granted_at',
  'source_session',
  'source_identity',
] as const

function grantsOf(tx: Transaction, identityId: IdentityId) {
  return tx.db
    .selectFrom('capability_grants')
    .select(columns)
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
}

function isOwnAuthority(caller: Caller): boolean {
  return sourceSessionOf(caller) === undefined && sourceAgentOf(caller) === undefined
}

/** What a grant of the caller's rests on. */
function sourcesOf(caller: Caller) {
  const [session, agent] = [sourceSessionOf(caller), sourceAgentOf(caller)]
  return {
    source_session: session === undefined ? null : toUuid(session),
    source_identity: agent === undefined ? null : toUuid(agent),
  }
}

function columnsOf({ conditions, validFrom, expiresAt }: WantedGrant) {
  return {
    conditions: conditions ? sql`${JSON.stringify(conditions)}::jsonb` : null,
    valid_from: validFrom ?? null,
    expires_at: expiresAt ?? null,
  }
}

interface Row {
  id: string
  entry: string
  conditions: unknown
  valid_from: Date | null
  expires_at: Date | null
  granted_by: string
  granted_at: Date
  source_session: string | null
  source_identity: string | null
}

function toGrant(identityId: IdentityId, row: Row): Grant {
  return {
    id: fromUuid('grant', row.id),
    identityId,
    entry: row.entry,
    conditions: row.conditions === null ? undefined : GrantConditions.parse(row.conditions),
    validFrom: row.valid_from ?? undefined,
    expiresAt: row.expires_at ?? undefined,
    grantedBy: row.granted_by,
    grantedAt: row.granted_at,
    standsAlone: row.source_session === null && row.source_identity === null,
  }
}
