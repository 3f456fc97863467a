import type { IdentityId } from '@agent-iam/contract/ids'
import { IdentityIdSchema } from '@agent-iam/contract/ids'
import type { RightUseState } from '@agent-iam/contract/simulation'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { decodeCursor, ofAnotherList, toPage } from '../../platform/paging.ts'
import { closureOf, isLabel, type RoleDefinition } from '../capabilities/model.ts'
import { readRoleDefinitions } from '../capabilities/service.ts'
import { isOfPlatform, narrowTo, withoutRepetition } from './model.ts'
import { listHolders, type Holder, type Right } from './store/rights.ts'
import { listEntryUses, type EntryUse } from './store/uses.ts'
import { readOn, type Progress } from './uses.ts'

/** Steps that one question reads the log on by: about a second. The job does the rest. */
const stepsMax = 20
const daySeconds = 86_400

export interface UnusedQuery {
  readonly days: number
  readonly limit: number
  readonly cursor?: string | undefined
  readonly identityId?: IdentityId | undefined
}

export interface RightUse extends Right {
  readonly use: RightUseState
  readonly lastUsedAt: Date | undefined
  readonly usedFor: number
  readonly enough: readonly string[]
}

export interface IdentityUse {
  readonly identityId: IdentityId
  readonly name: string
  readonly rights: readonly RightUse[]
  readonly enough: readonly string[]
}

/**
 * What each identity holds and what it used of it, with what would have been enough. That lies within what it holds, and
 * covers all that it was allowed, itself and for others.
 */
export async function listUnused(ctx: Context, query: UnusedQuery) {
  const after = readCursor(query.cursor)
  await inTransaction(ctx, (tx) => tx.authorize('capabilities:read', { type: 'capabilities' }))
  const progress = await readOn(ctx, stepsMax)
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('capabilities:read', { type: 'capabilities' })
    const since = addSeconds(tx.clock.now(), -query.days * daySeconds)
    const holders = await listHolders(tx, { after, only: query.identityId, limit: query.limit + 1 })
    const page = toPage(holders, query.limit, ({ id }) => [id])
    const roles = await readRoleDefinitions(tx)
    const identities: IdentityUse[] = []
    for (const holder of page.rows) identities.push(await useOf(tx, holder, { since, roles }))
    return { identities, nextCursor: page.nextCursor, since, progress } satisfies Answer
  })
}

interface Answer {
  readonly identities: readonly IdentityUse[]
  readonly nextCursor: string | null
  readonly since: Date
  readonly progress: Progress
}

function readCursor(cursor: string | undefined): IdentityId | undefined {
  if (cursor === undefined) return undefined
  const id = IdentityIdSchema.safeParse(decodeCursor(cursor, 1)[0])
  if (!id.success) throw ofAnotherList()
  return id.data
}

interface Ground {
  readonly since: Date
  readonly roles: readonly RoleDefinition[]
}

async function useOf(tx: Transaction, { id, name, rights }: Holder, { since, roles }: Ground): Promise<IdentityUse> {
  const held = rights.map((right) => ({ right, entries: entriesOf(right, roles) }))
  const entries = [...new Set(held.flatMap((each) => each.entries))]
  const uses = await listEntryUses(tx, { identityId: id, since, entries })
  const used = held.map((each) => judge(each, uses, since))
  return { identityId: id, name, rights: used, enough: withoutRepetition(used.flatMap(({ enough }) => enough)) }
}

/** The entries that a right consists of: of a role also those that it inherits. */
function entriesOf({ from, right }: Right, roles: readonly RoleDefinition[]): string[] {
  if (from === 'grant') return [right]
  const entries = closureOf([right], roles).flatMap(({ permissions }) => permissions.map(({ entry }) => entry))
  return entries.filter((entry) => !isLabel(entry))
}

function judge(
  { right, entries }: { right: Right; entries: readonly string[] },
  uses: ReadonlyMap<string, readonly EntryUse[]>,
  since: Date,
): RightUse {
  const used = entries.flatMap((entry) => uses.get(entry) ?? [])
  const isYoung = right.since > since
  const times = used.map(({ lastAt }) => lastAt.getTime())
  // What is not known to be unused stays as it is.
  const enough = entries.flatMap((entry) =>
    isYoung || isOfPlatform(entry) ? [entry] : narrowTo(entry, uses.get(entry) ?? []),
  )
  return {
    ...right,
    use: stateOf({ isUsed: used.length > 0, isYoung, isPartlyUnknown: entries.some(isOfPlatform) }),
    lastUsedAt: times.length === 0 ? undefined : new Date(Math.max(...times)),
    usedFor: countDifferent(used),
    enough: withoutRepetition(enough),
  }
}

interface Known {
  readonly isUsed: boolean
  readonly isYoung: boolean
  readonly isPartlyUnknown: boolean
}

function stateOf({ isUsed, isYoung, isPartlyUnknown }: Known): RightUseState {
  if (isUsed) return 'used'
  if (isYoung) return 'too-young'
  return isPartlyUnknown ? 'unknown' : 'unused'
}

/** Entries of a role may cover the same: the widest of them counts. */
function countDifferent(used: readonly EntryUse[]): number {
  const byKind = Map.groupBy(used, ({ type, action }) => JSON.stringify([type, action]))
  return [...byKind.values()].reduce((sum, some) => sum + Math.max(...some.map(({ resources }) => resources)), 0)
}
