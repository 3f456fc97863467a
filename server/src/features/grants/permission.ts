import { parseGrant } from '@agent-iam/contract/capabilities'
import type { GrantConditions } from '@agent-iam/contract/conditions'
import type { Permission as PermissionOnWire, QuotaUse } from '@agent-iam/contract/grants'
import type { GrantId, IdentityId } from '@agent-iam/contract/ids'
import { intersection, isWithin } from '../capabilities/model.ts'

/** An entry that somebody holds now, with where it comes from. */
export interface Sourced {
  readonly entry: string
  /** Undefined: it comes by a role. */
  readonly grantId: GrantId | undefined
  /** The role that was assigned, and the one that it inherits the entry from. */
  readonly role: string | undefined
  readonly via: string | undefined
  readonly conditions: GrantConditions | undefined
  readonly until: Date | undefined
  readonly grantedBy: string
  readonly grantedAt: Date
}

/** One of those whose rights are intersected, as it is now. */
export interface Holder {
  readonly id: IdentityId
  readonly isActive: boolean
  readonly expiresAt: Date | undefined
  /** What it was made within; undefined: it was not narrowed. */
  readonly lentScope: readonly string[] | undefined
  readonly isAttenuated: boolean
  readonly held: readonly Sourced[]
}

/** What is left of something held, after all others had their say. */
export interface Piece {
  readonly source: Sourced
  readonly entry: string
  readonly until: Date | undefined
  /** What others hold under conditions only, so that it counts only then. */
  readonly limits: ReadonlyArray<{ readonly holder: IdentityId; readonly source: Sourced }>
}

/**
 * What an identity may do by what it holds, as far as all others may whose rights are intersected with its own, and each
 * scope reaches; with where it comes from and until when.
 */
export function effective(own: Holder, others: readonly Holder[], scopes: ReadonlyArray<readonly string[]>): Piece[] {
  const end = earliest([own, ...others].map(({ expiresAt }) => expiresAt))
  const whole = own.held.map((source) => ({
    source,
    entry: source.entry,
    until: earliest([source.until, end]),
    limits: [],
  }))
  return whole.flatMap((piece) => {
    const withinOthers = others.reduce<Piece[]>(
      (pieces, other) => pieces.flatMap((each) => within(each, other)),
      [piece],
    )
    return scopes.reduce<Piece[]>((pieces, scope) => distinct(pieces.flatMap((each) => cut(each, scope))), withinOthers)
  })
}

function within(piece: Piece, { id, held }: Holder): Piece[] {
  const pieces = held.flatMap((source) =>
    intersection([piece.entry], [source.entry]).map((entry) => ({
      source: piece.source,
      entry,
      until: earliest([piece.until, source.until]),
      limits: source.conditions ? [...piece.limits, { holder: id, source }] : piece.limits,
    })),
  )
  return distinct(pieces)
}

function cut(piece: Piece, scope: readonly string[]): Piece[] {
  return intersection([piece.entry], scope).map((entry) => ({ ...piece, entry }))
}

/** Without those that another says as well: wider, as long, and under no more conditions. */
function distinct(pieces: readonly Piece[]): Piece[] {
  const kept: Piece[] = []
  // Those that say the same are one: the first.
  for (const piece of pieces) if (!kept.some((other) => saysAsMuch(other, piece))) kept.push(piece)
  return kept.filter((piece) => !kept.some((other) => other !== piece && saysAsMuch(other, piece)))
}

function saysAsMuch(one: Piece, other: Piece): boolean {
  const isAsLong = one.until === undefined || (other.until !== undefined && one.until >= other.until)
  return isAsLong && isWithin(other.entry, one.entry) && one.limits.every((limit) => other.limits.includes(limit))
}

function earliest(dates: ReadonlyArray<Date | undefined>): Date | undefined {
  const times = dates.flatMap((date) => (date ? [date.getTime()] : []))
  return times.length === 0 ? undefined : new Date(Math.min(...times))
}

/** A piece with what is left of the quotas that it rests on. */
export interface Permission extends Piece {
  readonly quotaOf: (source: Sourced) => QuotaUse | undefined
}

export function permissionToWire({ source, entry, until, limits, quotaOf }: Permission): PermissionOnWire {
  const { type, idPattern, action } = parseGrant(entry) ?? { type: entry, idPattern: undefined, action: '' }
  return {
    resource: idPattern === undefined ? type : `${type}/${idPattern}`,
    action,
    capability: entry,
    from: source.role === undefined ? 'grant' : 'role',
    grantId: source.grantId ?? null,
    role: source.role ?? null,
    via: source.via ?? null,
    grantedBy: source.grantedBy,
    grantedAt: source.grantedAt.toISOString(),
    expiresAt: until?.toISOString() ?? null,
    conditions: source.conditions ?? null,
    quota: quotaOf(source) ?? null,
    limits: limits.flatMap(({ holder, source: limit }) =>
      limit.conditions
        ? { identityId: holder, capability: limit.entry, conditions: limit.conditions, quota: quotaOf(limit) ?? null }
        : [],
    ),
  }
}
