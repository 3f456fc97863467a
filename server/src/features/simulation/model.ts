import {
  CapabilityEntry,
  capabilitiesMax,
  control,
  parseGrant,
  platformResourceType,
} from '@agent-iam/contract/capabilities'
import type { DecisionId, IdentityId, PolicyId } from '@agent-iam/contract/ids'
import type { NotExamined } from '@agent-iam/contract/simulation'
import { covers, firstExcess, intersection, isWithin, type ResourceName } from '../capabilities/model.ts'

/** What was allowed by one action on one type: the first and the last id, in the order of their bytes. */
export interface Used {
  readonly action: string
  readonly type: string
  readonly firstId: string
  readonly lastId: string
}

/**
 * The narrowest entries that lie within an entry and cover all that was used of it: a type, the longest prefix that the
 * ids share, an action. Where that takes more entries than anybody may hold, the entry itself.
 */
export function narrowTo(entry: string, used: readonly Used[]): string[] {
  const narrowed = withoutRepetition(used.flatMap((each) => intersection([narrowest(each) ?? entry], [entry])))
  return narrowed.length > capabilitiesMax ? [entry] : narrowed
}

/** Entries without those that lie within another. */
export function withoutRepetition(entries: readonly string[]): string[] {
  const kept: string[] = []
  for (const entry of entries.toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1)))
    if (firstExcess([entry], kept) !== undefined) kept.push(entry)
  return kept.filter((entry) => !kept.some((wider) => wider !== entry && isWithin(entry, wider))).toSorted()
}

/** Whether an entry is about the platform itself, whose operations are recorded otherwise than checks. */
export function isOfPlatform(entry: string): boolean {
  return parseGrant(entry)?.type === platformResourceType
}

/** The first of the spellings, the narrower first, that is an entry and covers what was used. */
function narrowest({ action, type, firstId, lastId }: Used): string | undefined {
  const shared = sharedStart(firstId, lastId)
  const patterns = [...(firstId === lastId && firstId !== '' ? [`/${firstId}`] : []), ...prefixes(shared), '']
  const spellings = patterns.flatMap((pattern) => [`${type}${pattern}:${action}`, `${type}${pattern}:*`])
  const ends: ResourceName[] = [firstId, lastId].map((id) => ({ type, id }))
  return spellings.find(
    (spelling) => CapabilityEntry.safeParse(spelling).success && ends.every((end) => covers(spelling, action, end)),
  )
}

/** As far as an entry can say it: a `*` in the midst of an id, or a control character, cannot be written. */
function prefixes(shared: string): string[] {
  const ends = [shared.indexOf('*'), shared.search(control)].filter((at) => at >= 0)
  const writable = shared.slice(0, Math.min(...ends, shared.length))
  const short = Array.from(writable).slice(0, prefixCharactersMax).join('')
  return short === '' ? [] : [`/${short}*`]
}

/** An entry has room for so many beside the longest type and action. */
const prefixCharactersMax = 120

/** By characters, so that none is cut in half. */
function sharedStart(first: string, last: string): string {
  const [some, others] = [Array.from(first), Array.from(last)]
  const differs = some.findIndex((character, place) => character !== others[place])
  return some.slice(0, differs < 0 ? undefined : differs).join('')
}

/** What a recorded decision was denied by that none can be decided by again. */
const transient: ReadonlyMap<string, NotExamined> = new Map([
  ['system:guard-scope', 'session-narrower'],
  ['system:guard-attenuation', 'session-narrower'],
  ['system:quota', 'quota-spent'],
  ['system:policy-engine-fault', 'engine-fault'],
] as const)

/**
 * Why a recorded decision cannot be decided again. The log does not say what a session was narrowed to; but whatever was
 * denied because of that, alone or not, says so in its reasons.
 */
export function whyNotAgain({ decision, reasons }: { decision: string; reasons: readonly string[] }) {
  if (decision === 'allow') return undefined
  return reasons.map((policyId) => transient.get(policyId)).find((why) => why !== undefined)
}

/** Differences that are kept of a shadowed draft: what a person looks at. */
export const shadowExamplesMax = 20

/** A draft as it was when it began to be shadowed. */
export interface ShadowedDraft {
  readonly policyId: PolicyId
  /** Tells this count from an earlier one of the same draft. */
  readonly run: string
  readonly version: number
  readonly name: string
  readonly effect: 'permit' | 'forbid'
  readonly cedar: string
  readonly startedBy: string
  readonly startedAt: Date
}

export interface ShadowCounts {
  readonly evaluated: number
  readonly allowToDeny: number
  readonly denyToAllow: number
  readonly erred: number
  readonly dropped: number
}

/** A decision that a draft would have changed. */
export interface ShadowExample {
  readonly decisionId: DecisionId
  readonly at: Date
  readonly identityId: IdentityId
  readonly action: string
  readonly resource: string
  readonly live: 'allow' | 'deny'
  readonly would: 'allow' | 'deny'
}

export const noCounts: ShadowCounts = { evaluated: 0, allowToDeny: 0, denyToAllow: 0, erred: 0, dropped: 0 }

/** The counts of two lots together. */
export function sumCounts(one: ShadowCounts, other: ShadowCounts): ShadowCounts {
  return {
    evaluated: one.evaluated + other.evaluated,
    allowToDeny: one.allowToDeny + other.allowToDeny,
    denyToAllow: one.denyToAllow + other.denyToAllow,
    erred: one.erred + other.erred,
    dropped: one.dropped + other.dropped,
  }
}
