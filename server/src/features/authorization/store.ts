import type { IdentityStatus, TrustBasis } from '@agent-iam/contract/agents'
import type { DecisionId, IdentityId, SessionId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import { onlySupported, readHeld } from '../capabilities/service.ts'
import { chainDepthMax } from '../identities/model.ts'
import type { ActingIdentity, Facts } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    decision_results: { tenant_id: string; decision_id: string; reported_at: Date }
  }
}

interface Row {
  epoch: number
  changes: number
  policies_version: number
  definitions_version: number
  session_expires_at: Date | null
  session_alive: boolean | null
  session_scope: string[] | null
  session_attenuation: string | null
  /** Which of those asked for the chain begins with, counted from 1. Null: there is no chain at all. */
  place: number | null
  depth: number
  kind: 'user' | 'service' | 'agent'
  id: string
  name: string
  type: string
  status: IdentityStatus
  expires_at: Date | null
  trust_score: string
  trust_basis: TrustBasis
  owner_kind: 'user' | 'service' | null
  owner_id: string | null
  parent_id: string | null
  lent_scope: string[] | null
  lent_blocks: string | null
  grants: string[]
  conditioned: unknown
  sourced: unknown
  roles: string[]
  edge: Date | null
}

/**
 * All that a decision rests on, with the epoch it holds under, in one statement and so one snapshot. That is why it
 * reads the tables of other features: facts of two moments would allow what neither does.
 *
 * @param acting whose rights are intersected, who acts first
 */
export async function readFacts(
  tx: Transaction,
  acting: readonly IdentityId[],
  sessionId: SessionId | undefined,
): Promise<Facts> {
  const session = sessionId === undefined ? null : toUuid(sessionId)
  const { rows } = await sql<Row>`
    select * from read_decision_basis(${acting.map(toUuid)}::uuid[], ${session}::uuid, ${tx.clock.now()}::timestamptz)`.execute(
    tx.db,
  )
  const [first] = rows
  if (!first) throw new Error(`tenant ${tx.caller.tenantId} has no log`)
  const facts = toFacts(first, rows, { chains: acting.length, now: tx.clock.now() })
  const held = await onlySupported(
    tx,
    facts.hops.map(({ grants }) => grants),
  )
  return { ...facts, hops: facts.hops.map((hop, place) => ({ ...hop, grants: held[place] ?? [] })) }
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

function toFacts(first: Row, rows: readonly Row[], { chains, now }: { chains: number; now: Date }): Facts {
  const hops = rows.filter(({ place }) => place !== null)
  return {
    epoch: first.epoch,
    changes: first.changes,
    policiesVersion: first.policies_version,
    definitionsVersion: first.definitions_version,
    sessionExpiresAt: first.session_expires_at ?? undefined,
    // What an agent granted may end by time with what the agent has: such facts are not used again.
    edge: hops.some(({ sourced }) => sourced !== null) ? now : earliest(hops),
    isSessionAlive: first.session_alive === true,
    lent: { scope: first.session_scope ?? undefined, blocks: first.session_attenuation ?? undefined },
    presented: [],
    hops: hops.map(toIdentity),
    root: rootOf(hops),
    isChainWhole:
      hops.filter(({ parent_id: above, depth }) => above === null && depth <= chainDepthMax).length === chains,
  }
}

/** Rows come in the order of the chain: the last of the first chain is the root of who acts. */
function rootOf(hops: readonly Row[]): string {
  const root = hops.findLast(({ place }) => place === hops[0]?.place)
  return root ? fromUuid(root.kind, root.id) : ''
}

function earliest(rows: readonly Row[]): Date | undefined {
  const edges = rows.flatMap(({ edge }) => (edge ? [edge.getTime()] : []))
  return edges.length === 0 ? undefined : new Date(Math.min(...edges))
}

function toIdentity(row: Row): ActingIdentity {
  return {
    id: fromUuid(row.kind, row.id),
    kind: row.kind,
    name: row.name,
    type: row.type,
    status: row.status,
    expiresAt: row.expires_at ?? undefined,
    trust: row.kind === 'agent' ? { score: Number(row.trust_score), basis: row.trust_basis } : undefined,
    owner: row.owner_id === null || row.owner_kind === null ? undefined : fromUuid(row.owner_kind, row.owner_id),
    lent: { scope: row.lent_scope ?? undefined, blocks: row.lent_blocks ?? undefined },
    grants: readHeld(row),
    roles: row.roles,
  }
}
