import type { GrantId, IdentityId } from '@agent-iam/contract/ids'
import { actingOf, inTransaction, type Caller, type Context, type Transaction } from '../../platform/context.ts'
import { decodeCursor, toPage } from '../../platform/paging.ts'
import { listUses } from '../capabilities/service.ts'
import { requireSession } from '../sessions/service.ts'
import { requireIdentity } from './access.ts'
import { quotaUse } from './model.ts'
import { effective, type Holder, type Permission, type Piece, type Sourced } from './permission.ts'
import { listHolders } from './store/holders.ts'

export interface PermissionsView {
  readonly identityId: IdentityId
  readonly isActive: boolean
  readonly isAttenuated: boolean
  readonly permissions: readonly Permission[]
  readonly nextCursor: string | null
}

/**
 * What the caller's session may do, or an identity that the caller may read: by grant and by role, as far as all hold it
 * whose rights are intersected.
 */
export async function listPermissions(
  ctx: Context,
  id: IdentityId | undefined,
  page: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<PermissionsView> {
  const caller = requireSession(ctx.caller)
  return inTransaction(ctx, async (tx) => {
    const identityId = id ?? caller.identityId
    const isOwn = identityId === caller.identityId
    if (!isOwn) await requireIdentity(tx, identityId)
    const { pieces, isActive, isAttenuated } = await (isOwn ? readOwn(tx, caller) : readRights(tx, [identityId]))
    const { rows, nextCursor } = pageOf(isActive ? pieces : [], page)
    return { identityId, isActive, isAttenuated, permissions: await withQuotas(tx, rows), nextCursor }
  })
}

interface Rights {
  readonly pieces: readonly Piece[]
  readonly isActive: boolean
  readonly isAttenuated: boolean
}

async function readOwn(tx: Transaction, caller: Caller & { kind: 'identity' }): Promise<Rights> {
  const rights = await readRights(tx, actingOf(caller), caller.scope)
  return { ...rights, isAttenuated: rights.isAttenuated || caller.attenuation !== undefined }
}

/** @param acting whose rights are intersected; the last is whose they are */
async function readRights(tx: Transaction, acting: readonly IdentityId[], scope?: readonly string[]): Promise<Rights> {
  const holders = await listHolders(tx, acting)
  const own = holders.find(({ id }) => id === acting.at(-1))
  const others = holders.filter((holder) => holder !== own)
  const scopes = [scope, ...holders.map(({ lentScope }) => lentScope)].filter((each) => each !== undefined)
  return {
    pieces: own ? effective(own, distinctHolders(others, own), scopes) : [],
    isActive: holders.every(({ isActive }) => isActive),
    isAttenuated: holders.some(({ isAttenuated }) => isAttenuated),
  }
}

/** Who stands twice, lending authority to two who act, says the same twice. */
function distinctHolders(holders: readonly Holder[], own: Holder): Holder[] {
  return [...new Map(holders.map((holder) => [holder.id, holder])).values()].filter(({ id }) => id !== own.id)
}

/** In an order that stays, whatever is granted between two pages. */
function pageOf(pieces: readonly Piece[], { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const after = cursor === undefined ? undefined : decodeCursor(cursor, 1)[0]
  const placed = pieces
    .map((piece) => ({ piece, place: placeOf(piece) }))
    .filter(({ place }) => after === undefined || place > after)
    .toSorted((one, other) => (one.place < other.place ? -1 : 1))
  const { rows, nextCursor } = toPage(placed.slice(0, limit + 1), limit, ({ place }) => [place])
  return { rows: rows.map(({ piece }) => piece), nextCursor }
}

/** Whatever tells two apart, so that no page ends between two of one place. */
function placeOf({ entry, source, until, limits }: Piece): string {
  const others = limits.map((limit) => `${limit.holder} ${nameOf(limit.source)}`)
  return [entry, nameOf(source), until?.toISOString() ?? '', ...others].join('\n')
}

function nameOf({ grantId, role, via, entry, conditions }: Sourced): string {
  return grantId ?? [role, via, entry, JSON.stringify(conditions ?? null)].join(' ')
}

async function withQuotas(tx: Transaction, pieces: readonly Piece[]): Promise<Permission[]> {
  const sources = pieces.flatMap(({ source, limits }) => [source, ...limits.map((limit) => limit.source)])
  const counted = new Set<GrantId>(
    sources.flatMap(({ grantId, conditions }) => (grantId && conditions?.quota ? [grantId] : [])),
  )
  const at = { uses: await listUses(tx, [...counted]), now: tx.clock.now() }
  return pieces.map((piece) => ({
    ...piece,
    quotaOf: ({ grantId, conditions }) => quotaUse(grantId, conditions, at),
  }))
}
