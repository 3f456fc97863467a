import type { IdentityStatus, TrustBasis } from '@agent-iam/contract/agents'
import type { AgentId, EnrolmentTokenId, IdentityId, TenantId, UserId } from '@agent-iam/contract/ids'
import { OpenObject } from '@agent-iam/contract/json'
import { sql, type Generated, type Selectable } from 'kysely'
import { skeleton } from '../../lib/confusable.ts'
import type { Transaction } from '../../platform/context.ts'
import { sqlState, type Tables } from '../../platform/database.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Agent, User } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    identities: {
      tenant_id: string
      id: string
      kind: 'user' | 'service' | 'agent'
      name: string
      name_skeleton: string
      type: string
      status: IdentityStatus
      email: string | null
      owner_kind: 'user' | 'service' | null
      owner_id: string | null
      parent_id: string | null
      created_by: string
      enrolment_token_id: string | null
      trust_score: string | number
      trust_basis: TrustBasis
      labels: string[]
      metadata: unknown
      expires_at: Date | null
      created_at: Date
      updated_at: Date
      last_activity: Date | null
      parent_kind: Generated<'user' | 'service' | 'agent' | null>
      lent_scope: Generated<string[] | null>
      lent_blocks: Generated<string | null>
      task_id: Generated<string | null>
      task_scope: Generated<string | null>
      tags: Generated<string[]>
      successor_id: Generated<string | null>
      /** Raised by a trigger. */
      revision: Generated<number>
    }
  }
}

const uniqueViolation = '23505'

/** Returns false when the name is taken, or looks like one that is: the unique index decides. */
export async function insertAgent(tx: Transaction, agent: Agent): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('identities')
    .values({
      ...emptyRow(tx, agent.createdBy),
      ...agentColumns(agent),
      id: toUuid(agent.id),
      kind: 'agent',
      owner_kind: agent.owner.startsWith('usr_') ? 'user' : 'service',
      owner_id: toUuid(agent.owner),
      parent_kind: agent.parent ? kindOf(agent.parent) : null,
      parent_id: agent.parent ? toUuid(agent.parent) : null,
      lent_scope: agent.lent.scope ? [...agent.lent.scope] : null,
      lent_blocks: agent.lent.blocks ?? null,
      task_id: agent.task.id ?? null,
      task_scope: agent.task.scope ?? null,
      enrolment_token_id: agent.enrolmentTokenId ? toUuid(agent.enrolmentTokenId) : null,
      created_at: agent.createdAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return inserted !== undefined
}

/** Returns false when the new name is taken, or looks like one that is. */
export async function updateAgent(tx: Transaction, agent: Agent): Promise<boolean> {
  try {
    await tx.db
      .updateTable('identities')
      .set(agentColumns(agent))
      .where('tenant_id', '=', toUuid(tx.caller.tenantId))
      .where('id', '=', toUuid(agent.id))
      .execute()
    return true
  } catch (error) {
    if (sqlState(error) === uniqueViolation) return false
    throw error
  }
}

export async function touchIdentity(tx: Transaction, id: IdentityId): Promise<void> {
  await tx.db
    .updateTable('identities')
    .set({ last_activity: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

/** Holds the row of an identity, of whatever kind, so that what hangs on it is counted and ended by one at a time. */
export async function lockIdentity(tx: Transaction, id: IdentityId): Promise<void> {
  await tx.db
    .selectFrom('identities')
    .select('id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .forNoKeyUpdate()
    .execute()
}

/** Whether an identity, of whatever kind, may act. It is held: whoever stops it came before, or comes after. */
export async function holdWhetherActive(tx: Transaction, id: IdentityId): Promise<boolean> {
  const row = await tx.db
    .selectFrom('identities')
    .select(['status', 'expires_at'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .forNoKeyUpdate()
    .executeTakeFirst()
  return row?.status === 'active' && (row.expires_at === null || row.expires_at > tx.clock.now())
}

export async function findAgent(tx: Transaction, id: AgentId): Promise<Agent | undefined> {
  const row = await agents(tx).where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toAgent(row)
}

/** Locks the row until the transaction ends, so that two callers cannot both change it. */
export async function findAgentForUpdate(tx: Transaction, id: AgentId): Promise<Agent | undefined> {
  const row = await agents(tx).where('id', '=', toUuid(id)).forUpdate().executeTakeFirst()
  return row && toAgent(row)
}

export interface AgentFilter {
  readonly status?: IdentityStatus | undefined
  readonly type?: string | undefined
  readonly owner?: IdentityId | undefined
  /** Text that the name holds. */
  readonly name?: string | undefined
  /** Name and UUID of the last row of the page before. */
  readonly after?: readonly [string, string] | undefined
}

/** By name. Deleted agents are shown only when asked for by status. */
export async function listAgents(tx: Transaction, filter: AgentFilter, limit: number): Promise<Agent[]> {
  const { status, type, owner, name, after } = filter
  const rows = await agents(tx)
    .$if(status === undefined, (query) => query.where('status', '<>', 'deleted'))
    .$if(status !== undefined, (query) => query.where('status', '=', status ?? 'active'))
    .$if(type !== undefined, (query) => query.where('type', '=', type ?? ''))
    .$if(owner !== undefined, (query) => query.where('owner_id', '=', toUuid(owner ?? 'usr_')))
    .$if(name !== undefined, (query) => query.where(sql<boolean>`position(lower(${name ?? ''}) in lower(name)) > 0`))
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(name, id) > (${after?.[0] ?? ''}, ${after?.[1] ?? ''}::uuid)`),
    )
    .orderBy('name')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(toAgent)
}

/** Revokes every agent that an enrolment token registered and that has not ended, however many; returns their ids. */
export async function revokeEnrolled(tx: Transaction, id: EnrolmentTokenId): Promise<AgentId[]> {
  const rows = await tx.db
    .updateTable('identities')
    .set({ status: 'revoked', updated_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('enrolment_token_id', '=', toUuid(id))
    .where('status', 'in', ['pending', 'active', 'suspended'])
    .returning('id')
    .execute()
  return rows.map((row) => fromUuid('agent', row.id))
}

/** Looks through all tenants: this is how a login by agent id learns which tenant it is for. */
export async function findIdentityTenant(tx: Transaction, id: IdentityId): Promise<TenantId | undefined> {
  const { rows } = await sql<{ id: string | null }>`select find_identity_tenant(${toUuid(id)}) as id`.execute(tx.db)
  const found = rows[0]?.id
  return found ? fromUuid('tenant', found) : undefined
}

/** Returns false when another user of the tenant has the e-mail address: the unique index decides. */
export async function insertUser(tx: Transaction, user: User): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('identities')
    .values({
      ...emptyRow(tx, 'system'),
      id: toUuid(user.id),
      kind: 'user',
      name: user.name,
      name_skeleton: skeleton(user.name),
      type: 'person',
      status: user.status,
      email: user.email ?? null,
      trust_score: 1,
      trust_basis: 'initial',
      labels: [],
      metadata: '{}',
      created_at: user.createdAt,
      updated_at: user.createdAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return inserted !== undefined
}

/** Returns false when another user of the tenant has the e-mail address. */
export async function updateUser(tx: Transaction, user: User): Promise<boolean> {
  try {
    await tx.db
      .updateTable('identities')
      .set({ name: user.name, email: user.email ?? null, status: user.status, updated_at: tx.clock.now() })
      .where('tenant_id', '=', toUuid(tx.caller.tenantId))
      .where('id', '=', toUuid(user.id))
      .execute()
    return true
  } catch (error) {
    if (sqlState(error) === uniqueViolation) return false
    throw error
  }
}

export async function findUser(tx: Transaction, id: UserId): Promise<User | undefined> {
  const row = await users(tx).where('id', '=', toUuid(id)).where('status', '<>', 'deleted').executeTakeFirst()
  return row && toUser(row)
}

export async function findUserByEmail(tx: Transaction, email: string): Promise<User | undefined> {
  const row = await users(tx).where('email', '=', email).where('status', '<>', 'deleted').executeTakeFirst()
  return row && toUser(row)
}

/** The users of a tenant, the first made first. */
export async function listUsers(tx: Transaction, limit: number): Promise<User[]> {
  return (await users(tx).orderBy('id').limit(limit).execute()).map(toUser)
}

function agents(tx: Transaction) {
  return tx.db
    .selectFrom('identities')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('kind', '=', 'agent')
}

function users(tx: Transaction) {
  return tx.db
    .selectFrom('identities')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('kind', '=', 'user')
}

function emptyRow(tx: Transaction, createdBy: string) {
  const nothing = { email: null, owner_kind: null, owner_id: null, parent_id: null, enrolment_token_id: null }
  return {
    ...nothing,
    tenant_id: toUuid(tx.caller.tenantId),
    created_by: createdBy,
    expires_at: null,
    last_activity: null,
  }
}

function agentColumns(agent: Agent) {
  return {
    name: agent.name,
    name_skeleton: skeleton(agent.name),
    type: agent.type,
    status: agent.status,
    trust_score: agent.trustScore,
    trust_basis: agent.trustBasis,
    labels: [...agent.labels],
    metadata: JSON.stringify(agent.metadata),
    tags: [...agent.tags],
    expires_at: agent.expiresAt ?? null,
    updated_at: agent.updatedAt,
    last_activity: agent.lastActivity ?? null,
  }
}

function toAgent(row: Selectable<Tables['identities']>): Agent {
  if (row.owner_id === null || row.owner_kind === null) throw new Error(`agent ${row.id} has no owner`)
  return {
    id: fromUuid('agent', row.id),
    name: row.name,
    type: row.type,
    status: row.status,
    owner: fromUuid(row.owner_kind, row.owner_id),
    parent: row.parent_kind && row.parent_id ? fromUuid(row.parent_kind, row.parent_id) : undefined,
    task: { id: row.task_id ?? undefined, scope: row.task_scope ?? undefined },
    lent: { scope: row.lent_scope ?? undefined, blocks: row.lent_blocks ?? undefined },
    tags: row.tags,
    revision: Number(row.revision),
    createdBy: row.created_by,
    enrolmentTokenId: row.enrolment_token_id === null ? undefined : fromUuid('enrolmentToken', row.enrolment_token_id),
    trustScore: Number(row.trust_score),
    trustBasis: row.trust_basis,
    labels: row.labels,
    metadata: OpenObject.parse(row.metadata),
    expiresAt: row.expires_at ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastActivity: row.last_activity ?? undefined,
  }
}

function kindOf(id: IdentityId): 'user' | 'service' | 'agent' {
  if (id.startsWith('usr_')) return 'user'
  return id.startsWith('svc_') ? 'service' : 'agent'
}

function toUser(row: Selectable<Tables['identities']>): User {
  return {
    id: fromUuid('user', row.id),
    name: row.name,
    email: row.email ?? undefined,
    status: row.status,
    createdAt: row.created_at,
  }
}
