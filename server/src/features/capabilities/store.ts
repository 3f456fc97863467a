import type { AgentId, IdentityId } from '@agent-iam/contract/ids'
import { sql, type Generated } from 'kysely'
import { GrantConditions } from '@agent-iam/contract/conditions'
import { z } from 'zod'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import { actorOf, type Transaction } from '../../platform/context.ts'
import { closureOf, type Held, type Role } from './model.ts'
import { readRoleDefinitions } from './store/role-definitions.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    capability_grants: {
      tenant_id: string
      identity_id: string
      entry: string
      granted_by: string
      granted_at: Date
      expires_at: Date | null
      id: Generated<string>
      conditions: unknown
      valid_from: Generated<Date | null>
      /** The session with which it ends; by default that of the transaction's caller, if it is one of those. */
      source_session: Generated<string | null>
      source_identity: Generated<string | null>
    }
    role_assignments: {
      tenant_id: string
      identity_id: string
      role: string
      granted_by: string
      granted_at: Date
      valid_from: Generated<Date | null>
      valid_until: Generated<Date | null>
      source_session: Generated<string | null>
    }
  }
}

/** The grants of some identities that hold at this instant, by identity UUID. */
export async function listGrants(
  tx: Transaction,
  identityIds: readonly IdentityId[],
): Promise<Map<IdentityId, string[]>> {
  const grants = new Map<IdentityId, string[]>(identityIds.map((id) => [id, []]))
  if (identityIds.length === 0) return grants
  const rows = await tx.db
    .selectFrom('capability_grants')
    .select(['identity_id', 'entry'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', 'in', identityIds.map(toUuid))
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', tx.clock.now())]))
    .where((where) => where.or([where('valid_from', 'is', null), where('valid_from', '<=', tx.clock.now())]))
    .where(authorityStands(tx))
    .orderBy('entry')
    .execute()
  const byUuid = new Map(identityIds.map((id) => [toUuid(id), id]))
  for (const row of rows) {
    const id = byUuid.get(row.identity_id)
    if (id) grants.get(id)?.push(row.entry)
  }
  return grants
}

/** Whether a grant still has the session and the agent that it rests on. */
export function authorityStands(tx: Transaction) {
  const now = tx.clock.now()
  return sql<boolean>`(source_session is null or source_lives(source_session, ${now}::timestamptz))
    and (source_identity is null or identity_acts(source_identity, ${now}::timestamptz))`
}

/** What one of those whose rights are intersected holds. */
export interface Holding {
  readonly id: IdentityId
  readonly expiresAt: Date | undefined
  /** Whether time alone changes nothing of it. */
  readonly isLasting: boolean
  /** At this moment, by grant and by role. */
  readonly held: readonly Held[]
  /** What it was made within; undefined: it was not narrowed. */
  readonly lentScope: readonly string[] | undefined
  /** Whether it was made within a Biscuit’s blocks, which nothing but a decision can weigh. */
  readonly isAttenuated: boolean
}

/**
 * What each of some identities holds now, and each who delegates to them: nobody's rights are more than theirs. What an
 * agent granted is included whether or not the agent still has it.
 */
export async function readHoldings(tx: Transaction, acting: readonly IdentityId[]): Promise<Holding[]> {
  const { rows } = await sql<HoldingRow>`
    select kind, id, expires_at, least(edge, expires_at) as edge, grants, conditioned, sourced, roles, lent_scope, lent_blocks is not null as attenuated
    from read_decision_basis(${acting.map(toUuid)}::uuid[], null, ${tx.clock.now()}::timestamptz)
    where place is not null`.execute(tx.db)
  const roles = await readRoleDefinitions(tx)
  return rows.map((row) => ({
    id: fromUuid(row.kind, row.id),
    expiresAt: row.expires_at ?? undefined,
    // What an agent granted may also end with what the agent has.
    isLasting: row.edge === null && row.sourced === null,
    held: [...readHeld(row), ...closureOf(row.roles, roles).flatMap(({ permissions }) => permissions)],
    lentScope: row.lent_scope ?? undefined,
    isAttenuated: row.attenuated,
  }))
}

interface HoldingRow {
  kind: 'user' | 'service' | 'agent'
  id: string
  expires_at: Date | null
  edge: Date | null
  grants: string[]
  conditioned: unknown
  sourced: unknown
  roles: string[]
  lent_scope: string[] | null
  attenuated: boolean
}

const Conditioned = z
  .array(
    z.object({
      id: z.uuid(),
      entry: z.string(),
      conditions: GrantConditions.nullable(),
      source: z.uuid().exactOptional(),
    }),
  )
  .nullable()

interface GrantColumns {
  readonly grants: readonly string[]
  readonly conditioned: unknown
  readonly sourced: unknown
}

/** Grants as `read_decision_basis` returns them: those without conditions and source as mere entries. */
export function readHeld({ grants, conditioned, sourced }: GrantColumns): Held[] {
  const plain: Held[] = grants.map((entry) => ({ entry }))
  if (conditioned === null && sourced === null) return plain
  const others = [...(Conditioned.parse(conditioned) ?? []), ...(Conditioned.parse(sourced) ?? [])]
  return [...plain, ...others.map(toHeld)]
}

function toHeld({ id, entry, conditions, source }: NonNullable<z.infer<typeof Conditioned>>[number]): Held {
  return {
    entry,
    grantId: fromUuid('grant', id),
    ...(conditions && { conditions }),
    ...(source !== undefined && { source: fromUuid('agent', source) }),
  }
}

/** Without conditions, from now on. */
const inForce = { conditions: null, valid_from: null, expires_at: null }

/**
 * Of one that is there only what has expired, has not begun, or rests on a session or an agent becomes another: what stands
 * by itself keeps its conditions.
 *
 * @param source the agent with which the grants end
 * @param expiresAt when they end at the latest
 */
export async function insertGrants(
  tx: Transaction,
  identityId: IdentityId,
  entries: readonly string[],
  { source, expiresAt }: { readonly source: AgentId | undefined; readonly expiresAt: Date | undefined },
): Promise<void> {
  if (entries.length === 0) return
  const sources = { source_identity: source === undefined ? null : toUuid(source) }
  const row = {
    tenant_id: toUuid(tx.caller.tenantId),
    identity_id: toUuid(identityId),
    granted_by: actorOf(tx.caller),
    granted_at: tx.clock.now(),
    expires_at: expiresAt ?? null,
  }
  await tx.db
    .insertInto('capability_grants')
    .values(entries.map((entry) => ({ ...row, ...sources, entry })))
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'identity_id', 'entry'])
        .doUpdateSet({
          ...inForce,
          expires_at: row.expires_at,
          ...sources,
          source_session: sql`excluded.source_session`,
          granted_by: row.granted_by,
          granted_at: row.granted_at,
        })
        .where((where) =>
          where.or([
            where('capability_grants.expires_at', '<=', row.granted_at),
            where('capability_grants.valid_from', '>', row.granted_at),
            where('capability_grants.source_identity', 'is not', null),
            where('capability_grants.source_session', 'is not', null),
          ]),
        ),
    )
    .execute()
}

export async function deleteGrants(tx: Transaction, identityId: IdentityId, entries: readonly string[]): Promise<void> {
  if (entries.length === 0) return
  await tx.db
    .deleteFrom('capability_grants')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('entry', 'in', [...entries])
    .execute()
}

/** Without a beginning or an end. */
const always = { valid_from: null, valid_until: null, source_session: sql<string | null>`excluded.source_session` }

/** Gives an identity a role, until an end if there is one; one that it had for a time it keeps as long. */
export async function insertRole(
  tx: Transaction,
  identityId: IdentityId,
  role: Role,
  validUntil: Date | undefined,
): Promise<void> {
  await tx.db
    .insertInto('role_assignments')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      identity_id: toUuid(identityId),
      role,
      granted_by: actorOf(tx.caller),
      granted_at: tx.clock.now(),
      valid_until: validUntil ?? null,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'identity_id', 'role'])
        .doUpdateSet({ ...always, valid_until: validUntil ?? null }),
    )
    .execute()
}

export async function deleteOtherRoles(tx: Transaction, identityId: IdentityId, kept: Role): Promise<void> {
  await tx.db
    .deleteFrom('role_assignments')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('role', '<>', kept)
    .execute()
}
