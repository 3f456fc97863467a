import type { LimitDimension, LimitSpan } from '@agent-iam/contract/limits'
import type { RateLimitId } from '@agent-iam/contract/ids'
import type { Room, WindowLimit } from '../../platform/sliding-window.ts'

/** How many requests in each span; null: any number. */
export interface Limits {
  readonly perMinute: number | null
  readonly perHour: number | null
  readonly perDay: number | null
}

/** A limit that a tenant set, for all that have something in common. */
export interface RateLimit extends Limits {
  readonly id: RateLimitId
  readonly dimension: LimitDimension
  readonly subject: string
  readonly revision: number
  readonly createdBy: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A rule for each of a dimension that no other rule names. */
export const eachSubject = '*'

/** The rules of a tenant, by dimension and subject. */
export type RuleBook = ReadonlyMap<string, Limits>

export function makeRuleBook(rules: readonly (Limits & { dimension: LimitDimension; subject: string })[]): RuleBook {
  return new Map(rules.map((rule) => [placeOf(rule.dimension, rule.subject), rule]))
}

/** Whether any rule is about this dimension. */
export function hasRulesOn(rules: RuleBook, dimension: LimitDimension): boolean {
  return [...rules.keys()].some((place) => place.startsWith(`${dimension} `))
}

function placeOf(dimension: LimitDimension, subject: string): string {
  return `${dimension} ${subject}`
}

/** What a request has in common with others, and how much it counts there. */
export interface Use {
  readonly dimension: LimitDimension
  readonly subject: string
  /** Who is counted by itself although others have the same in common: a role limits each who holds it. */
  readonly holder?: string
  readonly cost: number
  /** How many items it has, which all count; one of nothing else counts at most as the whole limit. */
  readonly items?: number
  /** With what the caller is counted apart from what else it does, where the tenant has no rule. */
  readonly apart?: string | undefined
  /** What holds where the tenant has no rule. */
  readonly unless?: Limits | undefined
}

/** What is counted: requests, of which some count as several, or the bytes that they add to the log. */
type Measure = 'requests' | 'log-bytes'

/** A window with what it is for. */
export interface LimitWindow extends WindowLimit {
  readonly measure: Measure
  readonly dimension: LimitDimension
  readonly subject: string
}

/** The windows that a request counts in: of each dimension those of the most specific rule. */
export function windowsOf(rules: RuleBook, uses: readonly Use[]): LimitWindow[] {
  return uses.flatMap((use) => {
    const { dimension, subject } = use
    const rule = rules.get(placeOf(dimension, subject)) ?? rules.get(placeOf(dimension, eachSubject))
    const found = rule ?? use.unless
    const holder = use.holder ?? (rule ? undefined : use.apart)
    const key = holder === undefined ? placeOf(dimension, subject) : `${placeOf(dimension, subject)} ${holder}`
    return found ? spansOf(found).map((span) => windowOf(use, key, span)) : []
  })
}

/** An expensive operation takes all of a small limit, so that it can be asked for at all; items are never let through beyond it. */
function windowOf(
  { dimension, subject, cost, items = 1 }: Use,
  key: string,
  { span, limit }: { span: LimitSpan; limit: number },
): LimitWindow {
  return { measure: 'requests', dimension, subject, key, span, limit, cost: Math.min(cost, Math.max(limit, items)) }
}

function spansOf({ perMinute, perHour, perDay }: Limits): Array<{ span: LimitSpan; limit: number }> {
  const spans = [
    { span: 'minute', limit: perMinute },
    { span: 'hour', limit: perHour },
    { span: 'day', limit: perDay },
  ] as const
  return spans.flatMap(({ span, limit }) => (limit === null ? [] : [{ span, limit }]))
}

/** Whether a request may come in, and how it stands with the windows that it counts in; there is one at least. */
export interface Admission {
  readonly windows: readonly LimitWindow[]
  readonly room: Room
}

/** The window that `RateLimit` tells: the one that lets least through from now on. */
export function tightestOf({ windows, room }: Admission): LimitWindow {
  const window = windows[room.tightest]
  if (!window) throw new Error('nothing was counted, and so nothing is tightest')
  return window
}

/** Only a minute of so many. */
export function eachMinute(limit: number): Limits | undefined {
  return limit > 0 ? { perMinute: limit, perHour: null, perDay: null } : undefined
}
