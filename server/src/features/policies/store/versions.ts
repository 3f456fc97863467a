import type { PolicyId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { toUuid } from '../../../platform/ids.ts'
import type { Policy, PolicyVersion } from '../model.ts'
import type { Effect } from '../system-policies.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    policy_revisions: {
      tenant_id: string
      policy_id: string
      version: number
      cedar: string
      effect: Effect
      is_unscoped: boolean
      author: string
      at: Date
      comment: string
    }
  }
}

export async function insertVersion(tx: Transaction, id: PolicyId, said: PolicyVersion): Promise<void> {
  const { version, cedar, effect, isUnscoped, author, at, comment } = said
  await tx.db
    .insertInto('policy_revisions')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      policy_id: toUuid(id),
      version,
      cedar,
      effect,
      is_unscoped: isUnscoped,
      author,
      at,
      comment,
    })
    .execute()
}

/** Forgets the oldest versions beyond so many, but never the one in force. */
export async function pruneVersions(tx: Transaction, policy: Policy, kept: number): Promise<void> {
  await tx.db
    .deleteFrom('policy_revisions')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('policy_id', '=', toUuid(policy.id))
    .where('version', '<=', policy.version - kept)
    .where('version', '<>', policy.activeVersion ?? 0)
    .execute()
}

export async function findVersion(tx: Transaction, id: PolicyId, version: number): Promise<PolicyVersion | undefined> {
  const row = await versions(tx, id).where('version', '=', version).executeTakeFirst()
  return row && toVersion(row)
}

/** The latest first; of a page those before a version. */
export async function listVersions(
  tx: Transaction,
  id: PolicyId,
  before: number | undefined,
  limit: number,
): Promise<PolicyVersion[]> {
  const rows = await versions(tx, id)
    .$if(before !== undefined, (query) => query.where('version', '<', before ?? 0))
    .orderBy('version', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toVersion)
}

/** How much text the tenant's versions are together. */
export async function countVersionBytes(tx: Transaction): Promise<number> {
  const { bytes } = await tx.db
    .selectFrom('policy_revisions')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .select(sql<number>`coalesce(sum(octet_length(cedar)), 0)::float8`.as('bytes'))
    .executeTakeFirstOrThrow()
  return bytes
}

function versions(tx: Transaction, id: PolicyId) {
  return tx.db
    .selectFrom('policy_revisions')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('policy_id', '=', toUuid(id))
}

function toVersion(row: Selectable<Tables['policy_revisions']>): PolicyVersion {
  const { version, cedar, effect, is_unscoped: isUnscoped, author, at, comment } = row
  return { version, cedar, effect, isUnscoped, author, at, comment }
}
