import type { TenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { InvitationId, RegistrationId, TokenPurpose } from '../model.ts'
import type { UserId } from '@agent-iam/contract/ids'

declare module '../../../platform/database.ts' {
  interface Tables {
    account_tokens: {
      tenant_id: string
      digest: Buffer
      purpose: TokenPurpose
      subject_id: string
      created_at: Date
      expires_at: Date
      used_at: Date | null
    }
  }
}

/** Whatever a token may be about. */
export type TokenSubject = UserId | RegistrationId | InvitationId

interface NewToken {
  readonly digest: Buffer
  readonly purpose: TokenPurpose
  readonly subject: TokenSubject
  readonly expiresAt: Date
}

/** Tokens are kept a while after their end, so that how many there were in a time can be told. */
const keptSeconds = 86_400
/** A new one sweeps at most so many old ones: more than it adds, and too few to wait for. */
const sweepMax = 100

export async function insertToken(tx: Transaction, { digest, purpose, subject, expiresAt }: NewToken): Promise<void> {
  const tenant = toUuid(tx.caller.tenantId)
  await sql`
    delete from account_tokens where tenant_id = ${tenant} and digest in (
      select digest from account_tokens
      where tenant_id = ${tenant} and expires_at < ${new Date(tx.clock.now().getTime() - keptSeconds * 1000)}
      order by expires_at limit ${sweepMax} for update skip locked)`.execute(tx.db)
  await tx.db
    .insertInto('account_tokens')
    .values({
      tenant_id: tenant,
      digest,
      purpose,
      subject_id: toUuid(subject),
      created_at: tx.clock.now(),
      expires_at: expiresAt,
      used_at: null,
    })
    .execute()
}

/** Looks through all tenants: this is how a bearer's tenant becomes known. */
export async function findTokenTenant(tx: Transaction, digest: Buffer): Promise<TenantId | undefined> {
  const { rows } = await sql<{ id: string | null }>`select find_account_token_tenant(${digest}) as id`.execute(tx.db)
  const id = rows[0]?.id
  return id ? fromUuid('tenant', id) : undefined
}

/** Whom a token is about, while it is good; as a UUID, of the kind that the purpose says. */
export async function findTokenSubject(
  tx: Transaction,
  purpose: TokenPurpose,
  digest: Buffer,
): Promise<string | undefined> {
  const row = await tx.db
    .selectFrom('account_tokens')
    .select('subject_id')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('digest', '=', digest)
    .where('purpose', '=', purpose)
    .where('used_at', 'is', null)
    .where('expires_at', '>', tx.clock.now())
    .executeTakeFirst()
  return row?.subject_id
}

/** Returns false when it is unknown, used or expired; of two who use it at once, one succeeds. */
export async function useToken(tx: Transaction, purpose: TokenPurpose, digest: Buffer): Promise<boolean> {
  const used = await tx.db
    .updateTable('account_tokens')
    .set({ used_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('digest', '=', digest)
    .where('purpose', '=', purpose)
    .where('used_at', 'is', null)
    .where('expires_at', '>', tx.clock.now())
    .returning('digest')
    .executeTakeFirst()
  return used !== undefined
}

/** Ends every token of a purpose that somebody or something still has. */
export async function endTokens(tx: Transaction, purpose: TokenPurpose, subject: TokenSubject): Promise<void> {
  await tx.db
    .updateTable('account_tokens')
    .set({ used_at: tx.clock.now() })
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('subject_id', '=', toUuid(subject))
    .where('purpose', '=', purpose)
    .where('used_at', 'is', null)
    .execute()
}

/** How many were made since then. */
export async function countTokensSince(
  tx: Transaction,
  { purpose, subject, since }: { purpose: TokenPurpose; subject: TokenSubject; since: Date },
): Promise<number> {
  const row = await tx.db
    .selectFrom('account_tokens')
    .select((select) => select.fn.countAll<number>().as('count'))
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('subject_id', '=', toUuid(subject))
    .where('purpose', '=', purpose)
    .where('created_at', '>', since)
    .executeTakeFirstOrThrow()
  return row.count
}
