import type { GrantId, IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../../platform/context.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { closureOf } from '../model.ts'
import { authorityStands } from '../store.ts'
import { readRoleDefinitions } from './role-definitions.ts'
import { sourceLives } from './sources.ts'

/** An entry that an identity holds without conditions, and when. */
export interface HeldSpan {
  readonly entry: string
  readonly grantId: GrantId | undefined
  /** Whether it rests on a session or an agent. */
  readonly isSourced: boolean
  /** Whether an agent granted it. */
  readonly isAgents: boolean
  /** Undefined: it has begun. */
  readonly from: Date | undefined
  /** Undefined: it never ends. */
  readonly until: Date | undefined
}

/** All that an identity holds without conditions, by grant and by role, now or later. */
export async function listHeldSpans(tx: Transaction, id: IdentityId): Promise<HeldSpan[]> {
  return [...(await listByGrant(tx, id)), ...(await listByRole(tx, id))]
}

async function listByGrant(tx: Transaction, id: IdentityId): Promise<HeldSpan[]> {
  const rows = await tx.db
    .selectFrom('capability_grants')
    .select(['id', 'entry', 'valid_from', 'expires_at', 'source_identity', 'source_session'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(id))
    .where('conditions', 'is', null)
    .where(authorityStands(tx))
    .execute()
  return rows.map((row) => ({
    entry: row.entry,
    grantId: fromUuid('grant', row.id),
    isSourced: row.source_identity !== null || row.source_session !== null,
    isAgents: row.source_identity !== null,
    from: row.valid_from ?? undefined,
    until: row.expires_at ?? undefined,
  }))
}

async function listByRole(tx: Transaction, id: IdentityId): Promise<HeldSpan[]> {
  const rows = await tx.db
    .selectFrom('role_assignments')
    .select(['role', 'valid_from', 'valid_until', 'source_session'])
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(id))
    .where(sourceLives(tx))
    .execute()
  const definitions = await readRoleDefinitions(tx)
  return rows.flatMap(({ role, valid_from: from, valid_until: until, source_session: source }) =>
    closureOf([role], definitions)
      .flatMap(({ permissions }) => permissions)
      .filter(({ conditions }) => !conditions)
      .map(({ entry }) => ({
        entry,
        grantId: undefined,
        isSourced: source !== null,
        isAgents: false,
        from: from ?? undefined,
        until: until ?? undefined,
      })),
  )
}
