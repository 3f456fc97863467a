import type { SessionStatus } from '@agent-iam/contract/sessions'
import type { AgentId, IdentityId, SessionId } from '@agent-iam/contract/ids'
import { OpenObject } from '@agent-iam/contract/json'
import { sql, type Selectable } from 'kysely'
import { addSeconds } from '../../../platform/clock.ts'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { StoredSession } from '../model.ts'

export async function findStoredSession(tx: Transaction, id: SessionId): Promise<StoredSession | undefined> {
  const row = await withIdentity(tx).select(columns).where('sessions.id', '=', toUuid(id)).executeTakeFirst()
  return row && toStoredSession(row)
}

export interface SessionFilter {
  readonly identityId?: IdentityId | undefined
  readonly status?: SessionStatus | undefined
  /** Who looks, where it sees only its own sessions and those of what it owns. */
  readonly viewer?: IdentityId | undefined
}

/** The last begun first, after the one given. */
export async function listSessions(
  tx: Transaction,
  filter: SessionFilter,
  page: { readonly before: SessionId | undefined; readonly limit: number },
): Promise<StoredSession[]> {
  const rows = await filtered(tx, filter)
    .select(columns)
    .$if(page.before !== undefined, (query) => query.where('sessions.id', '<', toUuid(page.before ?? 'ses_')))
    .orderBy('sessions.id', 'desc')
    .limit(page.limit)
    .execute()
  return rows.map(toStoredSession)
}

export async function countSessions(tx: Transaction, filter: SessionFilter): Promise<number> {
  const { count } = await filtered(tx, filter).select(howMany).executeTakeFirstOrThrow()
  return count
}

export async function countByStatus(tx: Transaction): Promise<Record<SessionStatus, number>> {
  const counts = { active: 0, ended: 0, expired: 0 }
  const rows = await withIdentity(tx)
    .select([statusOf(tx).as('state'), howMany])
    .groupBy('state')
    .execute()
  for (const { state, count } of rows) counts[state] = count
  return counts
}

export async function countActiveByKind(tx: Transaction): Promise<Record<'user' | 'service' | 'agent', number>> {
  const counts = { user: 0, service: 0, agent: 0 }
  const rows = await filtered(tx, { status: 'active' })
    .select(['identities.kind', howMany])
    .groupBy('identities.kind')
    .execute()
  for (const { kind, count } of rows) counts[kind] = count
  return counts
}

export async function countActiveByMethod(tx: Transaction): Promise<Record<string, number>> {
  const rows = await filtered(tx, { status: 'active' })
    .select(['sessions.method', howMany])
    .groupBy('sessions.method')
    .execute()
  return Object.fromEntries(rows.map(({ method, count }) => [method, count]))
}

/** The agents with most active sessions. */
export async function listBusiestAgents(
  tx: Transaction,
  limit: number,
): Promise<Array<{ agentId: AgentId; active: number }>> {
  const rows = await filtered(tx, { status: 'active' })
    .where('identities.kind', '=', 'agent')
    .select(['sessions.identity_id', howMany])
    .groupBy('sessions.identity_id')
    .orderBy('count', 'desc')
    .orderBy('sessions.identity_id')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ agentId: fromUuid('agent', row.identity_id), active: row.count }))
}

export async function countStartedWithin(tx: Transaction, seconds: number): Promise<number> {
  const { count } = await withIdentity(tx)
    .select(howMany)
    .where('sessions.started_at', '>', addSeconds(tx.clock.now(), -seconds))
    .executeTakeFirstOrThrow()
  return count
}

const howMany = sql<number>`count(*)::int`.as('count')

const columns = [
  'sessions.id',
  'sessions.identity_id',
  'sessions.started_at',
  'sessions.expires_at',
  'sessions.ended_at',
  'sessions.end_reason',
  'sessions.method',
  'sessions.client_id',
  'sessions.scope',
  'sessions.notes',
  'sessions.device',
  'sessions.last_used_at',
  'sessions.parent_id',
  'identities.kind',
  'identities.owner_kind',
  'identities.owner_id',
] as const

function withIdentity(tx: Transaction) {
  return tx.db
    .selectFrom('sessions')
    .innerJoin('identities', (join) =>
      join.onRef('identities.tenant_id', '=', 'sessions.tenant_id').onRef('identities.id', '=', 'sessions.identity_id'),
    )
    .where('sessions.tenant_id', '=', toUuid(tx.caller.tenantId))
}

function filtered(tx: Transaction, { identityId, status, viewer }: SessionFilter) {
  const mine = toUuid(viewer ?? 'usr_')
  return withIdentity(tx)
    .$if(identityId !== undefined, (query) => query.where('sessions.identity_id', '=', toUuid(identityId ?? 'usr_')))
    .$if(status !== undefined, (query) => query.where(statusOf(tx), '=', status ?? 'active'))
    .$if(viewer !== undefined, (query) =>
      query.where((where) =>
        where.or([where('sessions.identity_id', '=', mine), where('identities.owner_id', '=', mine)]),
      ),
    )
}

function statusOf(tx: Transaction) {
  return sql<SessionStatus>`case when sessions.ended_at < sessions.expires_at then 'ended'
    when sessions.expires_at <= ${tx.clock.now()} then 'expired' else 'active' end`
}

type Unlisted =
  | 'tenant_id'
  | 'confirmation'
  | 'metadata'
  | 'uses'
  | 'actors'
  | 'attenuation'
  | 'delegator_id'
  | 'source_session'
type Row = Omit<Selectable<Tables['sessions']>, Unlisted> &
  Pick<Selectable<Tables['identities']>, 'kind' | 'owner_kind' | 'owner_id'>

function toStoredSession(row: Row): StoredSession {
  return {
    id: fromUuid('session', row.id),
    identityId: fromUuid(row.kind, row.identity_id),
    owner: row.owner_id === null || row.owner_kind === null ? undefined : fromUuid(row.owner_kind, row.owner_id),
    parentId: row.parent_id === null ? undefined : fromUuid('session', row.parent_id),
    startedAt: row.started_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at ?? undefined,
    endReason: row.end_reason ?? undefined,
    method: row.method,
    clientId: row.client_id ?? undefined,
    scope: row.scope ?? undefined,
    notes: OpenObject.parse(row.notes),
    device: row.device ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  }
}
