import type { KeyPurpose, SigningAlgorithm, SigningKeyState, SigningKeyType } from '@agent-iam/contract/signing-keys'
import type { TenantId } from '@agent-iam/contract/ids'
import { sql, type Generated } from 'kysely'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import type { Transaction } from '../../platform/context.ts'
import type { SealedColumn } from '../../platform/resealing.ts'
import { defaultAlgorithm, type KeySet, type SigningKey, type SigningKeyId } from './model.ts'

declare module '../../platform/database.ts' {
  interface Tables {
    signing_keys: Row
    biscuit_root_keys: Row & { root_key_id: Generated<number> }
    signing_key_sets: { tenant_id: string; version: number; algorithm: SigningAlgorithm; due_at: Date }
  }
}

interface Row {
  tenant_id: string
  id: string
  algorithm: SigningAlgorithm
  public_jwk: unknown
  sealed: Buffer | null
  created_at: Date
  revoked_at: Date | null
  key_type: SigningKeyType
  state: SigningKeyState
  signs_from: Date | null
  activated_at: Date | null
  retires_at: Date | null
}

/** Counts the changes of the tenant's keys. */
export async function readKeysVersion(tx: Transaction): Promise<number> {
  const { rows } = await sql<{ version: number }>`select signing_keys_version() as version`.execute(tx.db)
  return rows[0]?.version ?? 0
}

/** The keys that have not ended. NOTE: the version is read first, so that what is read with it is never older. */
export async function readKeySet(tx: Transaction): Promise<KeySet> {
  const set = await tx.db
    .selectFrom('signing_key_sets')
    .select(['version', 'algorithm'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .executeTakeFirst()
  const keys = await listSigningKeys(tx, { ended: false })
  return { version: set?.version ?? 0, algorithm: set?.algorithm ?? defaultAlgorithm, keys }
}

/** The same, held until the transaction ends: nobody else changes them meanwhile. */
export async function lockKeySet(tx: Transaction): Promise<KeySet> {
  const tenant = toUuid(tx.caller.tenantId)
  await tx.db
    .insertInto('signing_key_sets')
    .values({ tenant_id: tenant, version: 0, algorithm: defaultAlgorithm, due_at: tx.clock.now() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await tx.db
    .selectFrom('signing_key_sets')
    .select('version')
    .where('tenant_id', '=', tenant)
    .forUpdate()
    .executeTakeFirstOrThrow()
  return readKeySet(tx)
}

/** Raises the version and keeps what else changed of the set. Call it with the set locked. */
export async function saveKeySet(
  tx: Transaction,
  change: { version: number; algorithm: SigningAlgorithm; dueAt: Date },
): Promise<void> {
  await tx.db
    .updateTable('signing_key_sets')
    .set({ version: change.version, algorithm: change.algorithm, due_at: change.dueAt })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .execute()
}

/** Tenants whose keys the clock changes now. Looks through all tenants. */
export async function findDueTenants(tx: Transaction, atMost: number): Promise<TenantId[]> {
  const { rows } = await sql<{ id: string }>`
    select find_due_signing_keys(${tx.clock.now()}::timestamptz, ${atMost}::integer) as id`.execute(tx.db)
  return rows.map(({ id }) => fromUuid('tenant', id))
}

/** The newest first; with `ended`, also those that verify nothing any more. */
export async function listSigningKeys(tx: Transaction, { ended }: { ended: boolean }): Promise<SigningKey[]> {
  const tenant = toUuid(tx.caller.tenantId)
  const tokenKeys = await tx.db
    .selectFrom('signing_keys')
    .selectAll()
    .where('tenant_id', '=', tenant)
    .$if(!ended, (query) => query.where('revoked_at', 'is', null))
    .execute()
  const rootKeys = await tx.db
    .selectFrom('biscuit_root_keys')
    .selectAll()
    .where('tenant_id', '=', tenant)
    .$if(!ended, (query) => query.where('revoked_at', 'is', null))
    .execute()
  return [...tokenKeys.map((row) => fromRow(row)), ...rootKeys.map((row) => fromRow(row, row.root_key_id))].toSorted(
    (a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1),
  )
}

export async function findSigningKey(tx: Transaction, id: SigningKeyId): Promise<SigningKey | undefined> {
  return (await listSigningKeys(tx, { ended: true })).find((key) => key.id === id)
}

/** The public half of a root key, whatever has become of it: for what was accepted while it was good. */
export async function findRootKey(
  tx: Transaction,
  rootKeyId: number,
): Promise<(Pick<SigningKey, 'publicJwk'> & { rootKeyId: number }) | undefined> {
  const row = await tx.db
    .selectFrom('biscuit_root_keys')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('root_key_id', '=', rootKeyId)
    .executeTakeFirst()
  return row && { rootKeyId, publicJwk: fromRow(row, rootKeyId).publicJwk }
}

/** Looks through all tenants: this is how the tenant of who presents a Biscuit becomes known. */
export async function findRootKeyTenant(tx: Transaction, rootKeyId: number): Promise<TenantId | undefined> {
  const { rows } = await sql<{ id: string | null }>`select find_root_key_tenant(${rootKeyId}) as id`.execute(tx.db)
  const id = rows[0]?.id
  return id ? fromUuid('tenant', id) : undefined
}

/** Stores a new key, or what has become of one. */
export async function saveSigningKey(tx: Transaction, key: SigningKey): Promise<void> {
  const changeable = {
    sealed: key.sealed ?? null,
    revoked_at: key.endedAt ?? null,
    state: key.state,
    signs_from: key.signsFrom ?? null,
    activated_at: key.activatedAt ?? null,
    retires_at: key.retiresAt ?? null,
  }
  const values = {
    tenant_id: toUuid(tx.caller.tenantId),
    id: toUuid(key.id),
    algorithm: key.algorithm,
    key_type: key.keyType,
    public_jwk: JSON.stringify(key.publicJwk),
    created_at: key.createdAt,
    ...changeable,
  }
  const insert =
    key.purpose === 'jwt'
      ? tx.db.insertInto('signing_keys').values(values)
      : tx.db.insertInto('biscuit_root_keys').values(values)
  await insert.onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doUpdateSet(changeable)).execute()
}

const tables = { jwt: 'signing_keys', biscuit: 'biscuit_root_keys' } as const satisfies Record<KeyPurpose, string>

/** What the master key sealed here. */
export const sealedSigningKeys = (['jwt', 'biscuit'] as const).map((purpose): SealedColumn => {
  return {
    table: tables[purpose],
    column: 'sealed',
    key: ['id'],
    place: (tenantId, { id }) => keyPlace(purpose, tenantId, fromUuid('signingKey', String(id))),
  }
})

/** Where a signing key's private half stands, so that it opens nowhere else. */
export function keyPlace(purpose: KeyPurpose, tenantId: TenantId, id: string): string {
  return `${tenantId}/${tables[purpose]}/sealed/${id}`
}

function fromRow(row: Row, rootKeyId?: number): SigningKey {
  return {
    id: fromUuid('signingKey', row.id),
    purpose: rootKeyId === undefined ? 'jwt' : 'biscuit',
    rootKeyId,
    algorithm: row.algorithm,
    keyType: row.key_type,
    state: row.state,
    publicJwk: Object.fromEntries(Object.entries(Object(row.public_jwk))),
    sealed: row.sealed ?? undefined,
    createdAt: row.created_at,
    signsFrom: row.signs_from ?? undefined,
    // A key of the release before has signed since it was made.
    activatedAt: row.activated_at ?? (row.state === 'active' ? row.created_at : undefined),
    retiresAt: row.retires_at ?? undefined,
    endedAt: row.revoked_at ?? undefined,
  }
}
