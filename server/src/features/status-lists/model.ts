import type { Id } from '@agent-iam/contract/ids'

export type StatusListId = Id<'statusList'>

/** Entries of a list: enough that one tells little about whose it is, few enough that a list is 32 KiB unpacked. */
export const statusListEntries = 2 ** 17

/** How many bits an entry has: valid, invalid, suspended. */
export const statusListBits = 2

/**
 * For how long a verifier believes a list, and so how late it may learn of a revocation: a minute, counted from when the
 * list was made. It is the price of asking nobody.
 */
export const statusListTtlSeconds = 60

/** From a cache on the way it comes with half of its life before it. */
export const statusListMaxAgeSeconds = statusListTtlSeconds / 2

/** For how long who cannot fetch another may choose to go on with it; never longer. */
export const statusListSeconds = 600

/** How many entries are drawn at once: of a list that is three quarters full, one try in a hundred finds all taken. */
export const candidatesAtOnce = 16

/** What is left of an entry's time after its last token has ended: verifiers' clocks differ. */
export const entryKeptSeconds = 3600

export interface StatusList {
  readonly id: StatusListId
  /** Counts a tenant's lists; entries are drawn from the last. */
  readonly number: number
  readonly capacity: number
}

/** Which entries of a list are not valid. */
export interface ListedStatuses {
  readonly invalid: readonly number[]
  readonly suspended: readonly number[]
}

/** Draws entries by lot: `bytes` are four for each. The capacity divides 2³², so all are as likely. */
export function drawCandidates(bytes: Buffer, capacity: number): number[] {
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readUInt32BE(at * 4) % capacity)
}

/** Where a list is served: below its issuer, and under the name that tokens refer to it by. */
export function statusListUri(issuer: string, id: StatusListId): string {
  return `${issuer}/status-lists/${id}`
}
