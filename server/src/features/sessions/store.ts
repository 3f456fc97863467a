import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { SessionId } from '@agent-iam/contract/ids'
import type { Json } from '@agent-iam/contract/json'
import { sql } from 'kysely'
import type { Confirmation, Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Session } from './model.ts'

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
    }
  }
}

export async function insertSession(
  tx: Transaction,
  session: Session,
  about: { metadata: Readonly<Record<string, Json>>; device: string | undefined },
): Promise<void> {
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
      device: about.device ?? null,
      last_used_at: null,
    })
    .execute()
}

/** A session with whose it is, read from the primary: revocation is exact. */
export interface SessionWithIdentity {
  readonly session: Session
  /** Of the tenant's signing keys, at the same moment. */
  readonly keysVersion: number
  readonly identity: { readonly status: IdentityStatus; readonly expiresAt: Date | undefined }
}

export async function findSession(tx: Transaction, id: SessionId): Promise<SessionWithIdentity | undefined> {
  const { rows } =
    await sql<Row>`select *, signing_keys_version() as keys_version from read_session(${toUuid(id)}::uuid)`.execute(
      tx.db,
    )
  const [row] = rows
  return row && toSessionWithIdentity(row)
}

/** Holds the session, and keeps its identity from changing, until the transaction ends. */
export async function findSessionForUpdate(tx: Transaction, id: SessionId): Promise<SessionWithIdentity | undefined> {
  const tenant = toUuid(tx.caller.tenantId)
  await tx.db
    .selectFrom('sessions')
    .innerJoin('identities', 'identities.id', 'sessions.identity_id')
    .select('sessions.id')
    .where('sessions.tenant_id', '=', tenant)
    .where('sessions.id', '=', toUuid(id))
    .forUpdate('sessions')
    .forShare('identities')
    .execute()
  return findSession(tx, id)
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
  kind: 'user' | 'service' | 'agent'
  status: IdentityStatus
  identity_expires_at: Date | null
  keys_version: number
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
    },
    keysVersion: row.keys_version,
    identity: { status: row.status, expiresAt: row.identity_expires_at ?? undefined },
  }
}

/** Binds a session's tokens to a key. The session is held, and was bound to none. */
export async function bindSession(tx: Transaction, id: SessionId, confirmation: Confirmation): Promise<void> {
  await tx.db
    .updateTable('sessions')
    .set({ confirmation: JSON.stringify(confirmation) })
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
