import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { SecretId, ServiceId, SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { closureOf, type RoleDefinition } from '../../capabilities/model.ts'
import { readRoleDefinitions } from '../../capabilities/service.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'

/** Who says to be which service, by the digest of its secret. */
export interface Claim {
  readonly id: ServiceId
  readonly digest: Buffer
}

/** A secret that proves a service, with whose authority it acts and the session that it rests on. */
export interface ClaimedSecret {
  readonly id: SecretId
  readonly createdBy: string
  readonly source: SessionId | undefined
}

/** Whose secrets these are, each at the place of its claim; nothing where the secret is not that service's. */
export async function findClaimedSecrets(
  tx: Transaction,
  claims: readonly Claim[],
): Promise<Map<number, ClaimedSecret>> {
  const ids = claims.map(({ id }) => toUuid(id))
  const digests = claims.map(({ digest }) => digest)
  const { rows } = await sql<{ place: number; id: string; created_by: string; source_session: string | null }>`
    select claim.place, s.id, s.created_by, s.source_session
    from unnest(${ids}::uuid[], ${digests}::bytea[]) with ordinality as claim (identity_id, digest, place)
      join service_secrets s on s.identity_id = claim.identity_id and s.digest = claim.digest
    where s.tenant_id = ${toUuid(tx.caller.tenantId)} and s.deleted_at is null and s.expires_at > ${tx.clock.now()}
      and (s.source_session is null or source_lives(s.source_session, ${tx.clock.now()}))
      and (s.created_by !~ '^(usr|svc|agt)_' or substr(s.created_by, 5)::uuid = s.identity_id
        or identity_acts(substr(s.created_by, 5)::uuid, ${tx.clock.now()}))`.execute(tx.db)
  return new Map(
    rows.map(({ place, id, created_by: createdBy, source_session: source }) => [
      place - 1,
      { id: fromUuid('secret', id), createdBy, source: source === null ? undefined : fromUuid('session', source) },
    ]),
  )
}

/** A service that is held, as of the moment at which it was. */
export interface HeldService {
  readonly status: IdentityStatus
  readonly expiresAt: Date | undefined
  readonly defaultScopes: readonly string[]
  readonly liveSecrets: readonly SecretId[]
  /** What it holds in all circumstances, by grant and by role. */
  readonly entries: readonly string[]
}

/** Holds services, always in the same order, so that whoever suspends one or ends a secret comes before or after. */
export async function holdServices(tx: Transaction, ids: readonly ServiceId[]): Promise<Map<ServiceId, HeldService>> {
  const tenant = toUuid(tx.caller.tenantId)
  const uuids = ids.map(toUuid)
  await sql`
    select id from identities where tenant_id = ${tenant} and id = any(${uuids}::uuid[]) order by id
    for no key update`.execute(tx.db)
  const now = tx.clock.now()
  const { rows } = await sql<Row>`
    select i.id, i.status, i.expires_at, v.default_scopes,
      array(select s.id::text from service_secrets s
        where s.tenant_id = i.tenant_id and s.identity_id = i.id and s.deleted_at is null and s.expires_at > ${now}) as secrets,
      array(select g.entry from capability_grants g where g.tenant_id = i.tenant_id and g.identity_id = i.id
        and (g.expires_at is null or g.expires_at > ${now}) and (g.valid_from is null or g.valid_from <= ${now})
        and g.conditions is null and g.source_identity is null
        and (g.source_session is null or source_lives(g.source_session, ${now}))) as grants,
      array(select r.role from role_assignments r where r.tenant_id = i.tenant_id and r.identity_id = i.id
        and (r.valid_until is null or r.valid_until > ${now}) and (r.valid_from is null or r.valid_from <= ${now})
        and (r.source_session is null or source_lives(r.source_session, ${now}))) as roles
    from identities i join services v on v.tenant_id = i.tenant_id and v.identity_id = i.id
    where i.tenant_id = ${tenant} and i.id = any(${uuids}::uuid[])`.execute(tx.db)
  const roles = await readRoleDefinitions(tx)
  return new Map(rows.map((row) => [fromUuid('service', row.id), toHeld(row, roles)]))
}

interface Row {
  id: string
  status: IdentityStatus
  expires_at: Date | null
  default_scopes: string[]
  secrets: string[]
  grants: string[]
  roles: string[]
}

function toHeld(row: Row, roles: readonly RoleDefinition[]): HeldService {
  const permissions = closureOf(row.roles, roles).flatMap((role) => role.permissions)
  return {
    status: row.status,
    expiresAt: row.expires_at ?? undefined,
    defaultScopes: row.default_scopes,
    liveSecrets: row.secrets.map((id) => fromUuid('secret', id)),
    entries: [...row.grants, ...permissions.filter(({ conditions }) => !conditions).map(({ entry }) => entry)],
  }
}
