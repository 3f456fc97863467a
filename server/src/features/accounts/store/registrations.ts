import { sql, type Selectable } from 'kysely'
import type { RegistrationStatus } from '@agent-iam/contract/registrations'
import { addSeconds } from '../../../platform/clock.ts'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { Registration, RegistrationId } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    registrations: {
      tenant_id: string
      id: string
      email: string
      name: string
      password_hash: string | null
      status: Registration['decision']
      is_known: boolean
      created_at: Date
      expires_at: Date
      confirmed_at: Date | null
      decided_at: Date | null
      user_id: string | null
    }
    registration_settings: { tenant_id: string; is_open: boolean }
  }
}

/** How long one is listed that has expired or was decided. */
const listedSeconds = 30 * 86_400
/** A new one sweeps at most so many old ones. */
const sweepMax = 100

export async function insertRegistration(tx: Transaction, registration: Registration): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from registrations where tenant_id = ${tenant} and id in (
      select id from registrations
      where tenant_id = ${tenant} and expires_at < ${addSeconds(tx.clock.now(), -listedSeconds)}
      order by expires_at limit ${sweepMax} for update skip locked)`.execute(tx.db)
  await tx.db
    .insertInto('registrations')
    .values({
      tenant_id: tenant,
      id: toUuid(registration.id),
      email: registration.email,
      name: registration.name,
      is_known: registration.isKnown,
      created_at: registration.createdAt,
      expires_at: registration.expiresAt,
      ...changing(registration),
    })
    .execute()
}

export async function updateRegistration(tx: Transaction, registration: Registration): Promise<void> {
  await tx.db
    .updateTable('registrations')
    .set(changing(registration))
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('id', '=', toUuid(registration.id))
    .execute()
}

export async function findRegistration(tx: Transaction, id: RegistrationId): Promise<Registration | undefined> {
  const row = await registrations(tx).where('id', '=', toUuid(id)).executeTakeFirst()
  return row && toRegistration(row)
}

export async function findRegistrationForUpdate(
  tx: Transaction,
  id: RegistrationId,
): Promise<Registration | undefined> {
  const row = await registrations(tx).where('id', '=', toUuid(id)).forUpdate().executeTakeFirst()
  return row && toRegistration(row)
}

/** Newest first, but for those whose address has an account: what became of them is nobody's business. */
export async function listRegistrations(
  tx: Transaction,
  { status, before }: { status: RegistrationStatus | undefined; before: RegistrationId | undefined },
  limit: number,
): Promise<Registration[]> {
  const decision = status === 'expired' ? 'pending' : status
  const rows = await registrations(tx)
    .where('is_known', '=', false)
    .$if(decision !== undefined, (query) => query.where('status', '=', decision ?? 'pending'))
    .$if(status === 'pending', (query) => query.where('expires_at', '>', tx.clock.now()))
    .$if(status === 'expired', (query) => query.where('expires_at', '<=', tx.clock.now()))
    .$if(before !== undefined, (query) => query.where('id', '<', toUuid(before ?? 'reg_')))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toRegistration)
}

/** How many wait in the tenant, how many of them name this address, and how many named it since then. */
export async function countRegistrations(
  tx: Transaction,
  { email, since }: { email: string; since: Date },
): Promise<{ pending: number; pendingOfAddress: number; ofAddress: number }> {
  const tenant = toUuid(tx.caller.tenantId)
  const { rows } = await sql<{ pending: number; pending_of_address: number; of_address: number }>`
    select (select count(*) from registrations
        where tenant_id = ${tenant} and status = 'pending' and expires_at > ${tx.clock.now()}) as pending,
      (select count(*) from registrations where tenant_id = ${tenant} and email = ${email}
        and status = 'pending' and expires_at > ${tx.clock.now()}) as pending_of_address,
      (select count(*) from registrations
        where tenant_id = ${tenant} and email = ${email} and created_at > ${since}) as of_address`.execute(tx.db)
  const [row] = rows
  return {
    pending: Number(row?.pending),
    pendingOfAddress: Number(row?.pending_of_address),
    ofAddress: Number(row?.of_address),
  }
}

export async function findIsOpen(tx: Transaction): Promise<boolean | undefined> {
  const row = await tx.db
    .selectFrom('registration_settings')
    .select('is_open')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .executeTakeFirst()
  return row?.is_open
}

export async function upsertIsOpen(tx: Transaction, isOpen: boolean): Promise<void> {
  await tx.db
    .insertInto('registration_settings')
    .values({ tenant_id: toUuid(tx.caller.tenantId), is_open: isOpen })
    .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet({ is_open: isOpen }))
    .execute()
}

function registrations(tx: Transaction) {
  return tx.db.selectFrom('registrations').selectAll().where('tenant_id', '=', toUuid(tx.caller.tenantId))
}

function changing(registration: Registration) {
  return {
    password_hash: registration.passwordHash ?? null,
    status: registration.decision,
    confirmed_at: registration.confirmedAt ?? null,
    decided_at: registration.decidedAt ?? null,
    user_id: registration.userId === undefined ? null : toUuid(registration.userId),
  }
}

function toRegistration(row: Selectable<Tables['registrations']>): Registration {
  return {
    id: fromUuid('registration', row.id),
    email: row.email,
    name: row.name,
    passwordHash: row.password_hash ?? undefined,
    decision: row.status,
    isKnown: row.is_known,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    confirmedAt: row.confirmed_at ?? undefined,
    decidedAt: row.decided_at ?? undefined,
    userId: row.user_id === null ? undefined : fromUuid('user', row.user_id),
  }
}
