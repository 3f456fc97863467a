import { blocksOf } from '@agent-iam/standards/biscuit/blocks'
import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import type { Json, OpenObject } from '@agent-iam/contract/json'
import { sql, type Generated } from 'kysely'
import type { Confirmation, Transaction } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import type { Beat } from '../../platform/pulse.ts'
import { fromUuid, isId, toUuid } from '../../platform/ids.ts'
import type { LiveSession, Session } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    sessions: {
      tenant_id: string
      id: string
      identity_id: string
      started_at: Date
      expires_at: Date
      ended_at: Date | null
      end_reason: string | null
      method: string
      client_id: string | null
      scope: string[] | null
      confirmation: unknown
      metadata: unknown
      device: string | null
      last_used_at: Date | null
      parent_id: string | null
      /** What its holder notes; `metadata` is ours. */
      notes: Generated<unknown>
      uses: Generated<number>
      actors: Generated<string[]>
      attenuation: Generated<string | null>
      delegator_id: Generated<string | null>
      /** By default that of the transaction's caller. */
      source_session: Generated<string | null>
    }
  }
}

/** What is noted of a session beside what its tokens carry. */
interface About {
  readonly metadata: Readonly<Record<string, Json>>
  readonly notes: OpenObject
  readonly device: string | undefined
  readonly parentId: SessionId | undefined
  readonly actors: readonly IdentityId[]
  readonly attenuation: string | undefined
  readonly delegator: IdentityId | undefined
  readonly source: SessionId | undefined
}

export async function insertSession(tx: Transaction, session: Session, about: About): Promise<void> {
  await tx.db
    .insertInto('sessions')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      id: toUuid(session.id),
      identity_id: toUuid(session.identityId),
      started_at: session.startedAt,
      expires_at: session.expiresAt,
      ended_at: null,
      end_reason: null,
      method: session.method,
      client_id: session.clientId ?? null,
      scope: session.scope ? [...session.scope] : null,
      confirmation: session.confirmation === undefined ? null : JSON.stringify(session.confirmation),
      metadata: JSON.stringify(about.metadata),
      notes: JSON.stringify(about.notes),
      device: about.device ?? null,
      last_used_at: null,
      parent_id: about.parentId ? toUuid(about.parentId) : null,
      actors: [...about.actors],
      attenuation: about.attenuation === undefined ? null : blocksOf(about.attenuation),
      delegator_id: about.delegator ? toUuid(about.delegator) : null,
      ...(about.source && { source_session: toUuid(about.source) }),
    })
    .execute()
}

/** A session with whose it is, read from the primary: revocation is exact. */
export interface SessionWithIdentity {
  readonly session: LiveSession
  /** Of the tenant's signing keys, at the same moment. */
  readonly keysVersion: number
  /** Of the tenant's log, at the same moment. */
  readonly beat: Beat
  readonly identity: { readonly status: IdentityStatus; readonly expiresAt: Date | undefined }
}

export async function findSession(tx: Transaction, id: SessionId): Promise<SessionWithIdentity | undefined> {
  const { rows } = await sql<Row>`
      select s.*, signing_keys_version() as keys_version, h.epoch, h.changes
      from read_live_session(${toUuid(id)}::uuid, ${tx.clock.now()}::timestamptz) s
        join audit_heads h on h.tenant_id = app_tenant()`.execute(tx.db)
  const [row] = rows
  return row && toSessionWithIdentity(row)
}

/**
 * Holds the session, and keeps its identity from changing, until the transaction ends. The identity is held first, as
 * whoever ends all its sessions does: in the other order, each would wait for the other.
 */
export async function findSessionForUpdate(tx: Transaction, id: SessionId): Promise<SessionWithIdentity | undefined> {
  const tenant = toUuid(tx.caller.tenantId)
  await tx.db
    .selectFrom('sessions')
    .innerJoin('identities', 'identities.id', 'sessions.identity_id')
    .select('identities.id')
    .where('sessions.tenant_id', '=', tenant)
    .where('sessions.id', '=', toUuid(id))
    .forNoKeyUpdate('identities')
    .execute()
  await tx.db
    .selectFrom('sessions')
    .select('id')
    .where('tenant_id', '=', tenant)
    .where('id', '=', toUuid(id))
    .forUpdate()
    .execute()
  return findSession(tx, id)
}

/** Notes that a session's refresh token was traded. */
export async function countUse(tx: Transaction, id: SessionId): Promise<void> {
  await tx.db
    .updateTable('sessions')
    .set((of) => ({ uses: of('uses', '+', 1), last_used_at: tx.clock.now() }))
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

/** Notes that a session was used, unless that was noted a moment ago: not every request is to write. */
export async function touchSession(tx: Transaction, id: SessionId, staleSeconds: number): Promise<void> {
  const now = tx.clock.now()
  await tx.db
    .updateTable('sessions')
    .set({ last_used_at: now })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where((where) =>
      where.or([where('last_used_at', 'is', null), where('last_used_at', '<', addSeconds(now, -staleSeconds))]),
    )
    .execute()
}

/** Replaces what the holder of a session notes about it. */
export async function updateNotes(tx: Transaction, id: SessionId, notes: OpenObject): Promise<void> {
  await tx.db
    .updateTable('sessions')
    .set({ notes: JSON.stringify(notes) })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

interface Row {
  id: string
  identity_id: string
  started_at: Date
  expires_at: Date
  ended_at: Date | null
  method: string
  client_id: string | null
  scope: string[] | null
  confirmation: Confirmation | null
  metadata: unknown
  actors: string[]
  attenuation: string | null
  delegator_kind: 'user' | 'service' | 'agent' | null
  delegator_id: string | null
  source_session: string | null
  chain_lives: boolean
  tenant_acts: boolean
  kind: 'user' | 'service' | 'agent'
  status: IdentityStatus
  identity_expires_at: Date | null
  keys_version: number
  epoch: number
  changes: number
}

function toSessionWithIdentity(row: Row): SessionWithIdentity {
  return {
    session: {
      id: fromUuid('session', row.id),
      identityId: fromUuid(row.kind, row.identity_id),
      startedAt: row.started_at,
      expiresAt: row.expires_at,
      endedAt: row.ended_at ?? undefined,
      method: row.method,
      clientId: row.client_id ?? undefined,
      scope: row.scope ?? undefined,
      confirmation: row.confirmation ?? undefined,
      metadata: row.metadata,
      actors: row.actors.filter(isIdentityId),
      attenuation: row.attenuation ?? undefined,
      delegator: row.delegator_kind && row.delegator_id ? fromUuid(row.delegator_kind, row.delegator_id) : undefined,
      source: row.source_session === null ? undefined : fromUuid('session', row.source_session),
      chainLives: row.chain_lives,
      tenantActs: row.tenant_acts,
    },
    keysVersion: row.keys_version,
    beat: { epoch: row.epoch, changes: row.changes },
    identity: { status: row.status, expiresAt: row.identity_expires_at ?? undefined },
  }
}

/** Binds a session's tokens to a key, and notes when. The session is held, and was bound to none. */
export async function bindSession(tx: Transaction, id: SessionId, confirmation: Confirmation): Promise<void> {
  const noted = JSON.stringify({ boundAt: tx.clock.now().toISOString() })
  await tx.db
    .updateTable('sessions')
    .set({ confirmation: JSON.stringify(confirmation), metadata: sql`metadata || ${noted}::jsonb` })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .execute()
}

/** Returns false when it had ended already. */
export async function endSession(tx: Transaction, id: SessionId, reason: string): Promise<boolean> {
  const ended = await tx.db
    .updateTable('sessions')
    .set({ ended_at: tx.clock.now(), end_reason: reason })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(id))
    .where('ended_at', 'is', null)
    .returning('identity_id')
    .executeTakeFirst()
  return ended !== undefined
}

function isIdentityId(text: string): text is IdentityId {
  return isId('user', text) || isId('service', text) || isId('agent', text)
}
