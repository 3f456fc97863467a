import { blocksOf } from '@agent-iam/standards/biscuit/blocks'
import type { IdentityStatus, TrustBasis } from '@agent-iam/contract/agents'
import type { AgentId, EnrolmentTokenId } from '@agent-iam/contract/ids'
import { OpenObject } from '@agent-iam/contract/json'
import type { Generated, Selectable } from 'kysely'
import { storedSkeleton } from '../../lib/confusable.ts'
import type { Transaction } from '../../platform/context.ts'
import { sqlState, type Tables } from '../../platform/database.ts'
import { fromUuid, kindOf, toUuid } from '../../platform/ids.ts'
import type { Agent } from './model.ts'

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
      /** The session with which it ends; by default that of the transaction's caller, if it is one of those. */
      source_session: Generated<string | null>
      /** Raised by a trigger. */
      revision: Generated<number>
    }
  }
}

export type IdentityRow = Selectable<Tables['identities']>

const uniqueViolation = '23505'

/** Returns false when the name is taken, or looks like one that is: the unique index decides. */
export async function insertAgent(tx: Transaction, agent: Agent): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('identities')
    .values({
      ...agentColumns(agent),
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(agent.id),
      kind: 'agent',
      email: null,
      created_by: agent.createdBy,
      parent_kind: agent.parent ? kindOf(agent.parent) : null,
      parent_id: agent.parent ? toUuid(agent.parent) : null,
      lent_scope: agent.lent.scope ? [...agent.lent.scope] : null,
      lent_blocks: agent.lent.blocks === undefined ? null : blocksOf(agent.lent.blocks),
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

/** The agent at its new revision; undefined when the new name is taken, or looks like one that is. */
export async function updateAgent(tx: Transaction, agent: Agent): Promise<Agent | undefined> {
  try {
    const { revision } = await tx.db
      .updateTable('identities')
      .set(agentColumns(agent))
      .where('tenant_id', '=', toUuid(tx.caller.tenantId))
      .where('id', '=', toUuid(agent.id))
      .returning('revision')
      .executeTakeFirstOrThrow()
    return { ...agent, revision }
  } catch (error) {
    if (sqlState(error) === uniqueViolation) return undefined
    throw error
  }
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

function agents(tx: Transaction) {
  return tx.db
    .selectFrom('identities')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('kind', '=', 'agent')
}

function agentColumns(agent: Agent) {
  return {
    name: agent.name,
    name_skeleton: storedSkeleton(agent.name),
    type: agent.type,
    status: agent.status,
    owner_kind: agent.owner.startsWith('usr_') ? ('user' as const) : ('service' as const),
    owner_id: toUuid(agent.owner),
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

export function toAgent(row: IdentityRow): Agent {
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
    revision: row.revision,
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
