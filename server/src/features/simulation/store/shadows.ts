import { IdentityIdSchema, type DecisionId, type PolicyId } from '@agent-iam/contract/ids'
import { sql, type Selectable } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { shadowExamplesMax, type ShadowCounts, type ShadowedDraft, type ShadowExample } from '../model.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    policy_shadows: {
      tenant_id: string
      policy_id: string
      run: string
      version: number
      name: string
      effect: 'permit' | 'forbid'
      cedar: string
      started_by: string
      started_at: Date
      evaluated: number
      allow_to_deny: number
      deny_to_allow: number
      erred: number
      dropped: number
    }
    policy_shadow_examples: {
      tenant_id: string
      policy_id: string
      decision_id: string
      at: Date
      identity: string
      action: string
      resource: string
      live: 'allow' | 'deny'
      would: 'allow' | 'deny'
    }
  }
}

type Row = Omit<Selectable<Tables['policy_shadows']>, 'tenant_id'>

export async function insertShadow(tx: Transaction, draft: ShadowedDraft): Promise<void> {
  await tx.db
    .insertInto('policy_shadows')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      policy_id: toUuid(draft.policyId),
      run: draft.run,
      version: draft.version,
      name: draft.name,
      effect: draft.effect,
      cedar: draft.cedar,
      started_by: draft.startedBy,
      started_at: draft.startedAt,
      ...toColumns({ evaluated: 0, allowToDeny: 0, denyToAllow: 0, erred: 0, dropped: 0 }),
    })
    .execute()
}

/** Its examples go with it. Returns false when there is none. */
export async function deleteShadow(tx: Transaction, id: PolicyId): Promise<boolean> {
  const deleted = await tx.db
    .deleteFrom('policy_shadows')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('policy_id', '=', toUuid(id))
    .returning('policy_id')
    .executeTakeFirst()
  return deleted !== undefined
}

export async function countShadows(tx: Transaction): Promise<number> {
  const { count } = await tx.db
    .selectFrom('policy_shadows')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .select((each) => each.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

export type StoredShadow = ShadowedDraft & ShadowCounts & { readonly examples: readonly ShadowExample[] }

export async function findShadow(tx: Transaction, id: PolicyId): Promise<StoredShadow | undefined> {
  const row = await tx.db
    .selectFrom('policy_shadows')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('policy_id', '=', toUuid(id))
    .executeTakeFirst()
  return row && { ...toDraft(row), ...toCounts(row), examples: await listExamples(tx, id) }
}

/** Those that are evaluated: of what has come into force, or was retired, nothing more is to be learnt. */
export async function listShadowed(tx: Transaction): Promise<ShadowedDraft[]> {
  const { rows } = await sql<Row>`
    select s.* from policy_shadows s
      join policy_documents d on d.tenant_id = s.tenant_id and d.id = s.policy_id and d.status = 'draft'
    where s.tenant_id = ${toUuid(tx.caller.tenantId)} order by s.policy_id`.execute(tx.db)
  return rows.map(toDraft)
}

/** Adds to the counts of a run; returns false when that run is over. The row is held until the transaction ends. */
export async function addCounts(tx: Transaction, { policyId, run }: ShadowedDraft, add: ShadowCounts) {
  const { rows } = await sql`
    update policy_shadows set evaluated = evaluated + ${add.evaluated}, allow_to_deny = allow_to_deny + ${add.allowToDeny},
      deny_to_allow = deny_to_allow + ${add.denyToAllow}, erred = erred + ${add.erred}, dropped = dropped + ${add.dropped}
    where tenant_id = ${toUuid(tx.caller.tenantId)} and policy_id = ${toUuid(policyId)} and run = ${run}
    returning 1`.execute(tx.db)
  return rows.length > 0
}

/** Keeps the last few. */
export async function addExamples(tx: Transaction, id: PolicyId, examples: readonly ShadowExample[]): Promise<void> {
  if (examples.length === 0) return
  const tenant_id = toUuid(tx.caller.tenantId)
  await tx.db
    .insertInto('policy_shadow_examples')
    .values(
      examples.map(({ decisionId, identityId, ...example }) => ({
        ...example,
        tenant_id,
        policy_id: toUuid(id),
        decision_id: toUuid(decisionId),
        identity: identityId,
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await sql`
    delete from policy_shadow_examples e where e.tenant_id = ${tenant_id} and e.policy_id = ${toUuid(id)}
      and e.decision_id not in (select decision_id from policy_shadow_examples
        where tenant_id = ${tenant_id} and policy_id = ${toUuid(id)}
        order by at desc, decision_id desc limit ${shadowExamplesMax})`.execute(tx.db)
}

async function listExamples(tx: Transaction, id: PolicyId): Promise<ShadowExample[]> {
  const rows = await tx.db
    .selectFrom('policy_shadow_examples')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('policy_id', '=', toUuid(id))
    .orderBy('at', 'desc')
    .orderBy('decision_id', 'desc')
    .execute()
  return rows.map(({ decision_id, at, identity, action, resource, live, would }) => {
    const decisionId: DecisionId = fromUuid('decision', decision_id)
    return { decisionId, at, identityId: IdentityIdSchema.parse(identity), action, resource, live, would }
  })
}

function toDraft(row: Row): ShadowedDraft {
  return {
    policyId: fromUuid('policy', row.policy_id),
    run: row.run,
    version: row.version,
    name: row.name,
    effect: row.effect,
    cedar: row.cedar,
    startedBy: row.started_by,
    startedAt: row.started_at,
  }
}

function toCounts({ evaluated, allow_to_deny, deny_to_allow, erred, dropped }: Row): ShadowCounts {
  return { evaluated, allowToDeny: allow_to_deny, denyToAllow: deny_to_allow, erred, dropped }
}

function toColumns({ evaluated, allowToDeny, denyToAllow, erred, dropped }: ShadowCounts) {
  return { evaluated, allow_to_deny: allowToDeny, deny_to_allow: denyToAllow, erred, dropped }
}
