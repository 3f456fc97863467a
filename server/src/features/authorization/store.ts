import { IdentityStatus, TrustBasis } from '@agent-iam/contract/agents'
import type { DecisionId, IdentityId, SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Facts } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    decision_results: { tenant_id: string; decision_id: string; reported_at: Date }
  }
}

interface Row {
  epoch: number
  policies_version: number
  kind: 'user' | 'service' | 'agent' | null
  id: string
  name: string
  type: string
  status: IdentityStatus
  expires_at: Date | null
  trust_score: string
  trust_basis: TrustBasis
  owner_kind: 'user' | 'service' | null
  owner_id: string | null
  grants: string[]
  roles: string[]
  session_alive: boolean | null
  session_scope: string[] | null
}

/**
 * All that a decision rests on, with the epoch it holds under, in one statement and so one snapshot. That is why it
 * reads the tables of other features: facts of two moments would allow what neither does.
 */
export async function readFacts(
  tx: Transaction,
  identityId: IdentityId,
  sessionId: SessionId | undefined,
): Promise<Facts> {
  const session = sessionId === undefined ? null : toUuid(sessionId)
  const { rows } = await sql<Row>`
    select * from read_facts(${toUuid(identityId)}::uuid, ${session}::uuid, ${tx.clock.now()}::timestamptz)`.execute(
    tx.db,
  )
  const [row] = rows
  if (!row) throw new Error(`tenant ${tx.caller.tenantId} has no log`)
  return toFacts(row)
}

/** Returns false when a result was reported already. */
export async function insertResult(tx: Transaction, id: DecisionId): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('decision_results')
    .values({ tenant_id: toUuid(tx.caller.tenantId), decision_id: toUuid(id), reported_at: tx.clock.now() })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'decision_id']).doNothing())
    .returning('decision_id')
    .executeTakeFirst()
  return inserted !== undefined
}

function toFacts(row: Row): Facts {
  const { epoch, policies_version: policiesVersion, session_alive: sessionAlive } = row
  const facts = { epoch, policiesVersion, isSessionAlive: sessionAlive === true, scope: row.session_scope ?? undefined }
  if (row.kind === null) return { ...facts, identity: undefined }
  return {
    ...facts,
    identity: {
      id: fromUuid(row.kind, row.id),
      kind: row.kind,
      name: row.name,
      type: row.type,
      status: row.status,
      expiresAt: row.expires_at ?? undefined,
      trust: row.kind === 'agent' ? { score: Number(row.trust_score), basis: row.trust_basis } : undefined,
      owner: row.owner_id === null || row.owner_kind === null ? undefined : fromUuid(row.owner_kind, row.owner_id),
      grants: row.grants,
      roles: row.roles,
    },
  }
}
