import type { FairQueueLimits } from '../../lib/fair-queue.ts'

/** Sets of policies kept prepared in a thread: each holds the system's policies too, about 45 kB. */
export const slotsMax = 512

/**
 * Characters of policies kept prepared where decisions are made. The library holds about 14 bytes for each and never gives
 * memory back, so this is some 60 MB at the most.
 */
export const preparedCharactersMax = 4 * 1024 * 1024

/** The same in the thread for large sets: two tenants' largest sets, some 120 MB when it is ever needed. */
export const largePreparedCharactersMax = 8 * 1024 * 1024

/** Policies whose syntax trees are read at once on the main thread, at a tenth of a millisecond each. */
export const readHereMax = 20

/**
 * Longest that an evaluation may take on the main thread, as estimated: others wait for it. Beyond, the way to the thread for
 * large sets and back, a tenth of a millisecond, is worth it.
 */
export const hereMicrosecondsMax = 1_000

/** Policies of a large set that are prepared together: a change of one means preparing these again. */
export const largePartMax = 500

/** Longest that a large set may take to decide. The largest honest one takes some 30 ms, on a busy machine ten times that. */
export const largeDecideMs = 1_000

/** Longest that preparing a large set, or reading some of its policies, may take: 4 MB of text take two seconds. */
export const largePrepareMs = 10_000

/** Policies read at once in the thread for large sets, so that others' decisions come in between. */
export const largeReadMax = 200

/**
 * Work that waits for the thread for large sets. An honest evaluation takes some 30 ms, so that two seconds of waiting are
 * sixty of these. The texts of the largest set are 4 MB.
 */
export const largeSets = {
  jobs: 'evaluations of large policy sets',
  atOnce: { total: 1, tenant: 1, root: 1 },
  waitingMax: { total: 256, tenant: 128, root: 64 },
  bytesMax: { total: 64_000_000, tenant: 16_000_000, root: 12_000_000 },
  waitMsMax: 5_000,
  honestMs: 100,
  budgetMs: { tenant: 2_000, root: 1_000 },
  halfLifeMs: 10_000,
}

/** Deepest context. The library's reader stops at 128 and leaves its instance unusable; an honest context needs 10. */
export const contextDepthMax = 32

/**
 * How long a set rests after a request made it trap. The set was sound when it was parsed, so it is not condemned for good;
 * but each trap costs everyone a new instance, so it may not do so at every request.
 */
export const restAfterTrapSeconds = 60

/** Deepest expression of a policy, operator chains included: about half of what traps the library. */
export const expressionDepthMax = 64

/** Deepest brackets of a policy. Those that the syntax tree drops still cost the parser's stack: about 140 trap it. */
export const bracketDepthMax = 64

/** Most nodes of a policy's syntax tree: every decision may walk them all. */
export const expressionNodesMax = 2_000

/** Most `context.request` attributes a policy may name: each one's type is found by trying. */
export const requestAttributesMax = 16

/** Most errors told about one policy; the first few are what a person reads. */
export const policyErrorsMax = 20

/** Longest that checking one policy may take; an honest one needs a fifth of a second. */
export const validationTimeoutMs = 5_000

/** Longest that checking a file of policies may take: whoever sent it waits for the answer. */
export const validationOfManyTimeoutMs = 30_000

/** Policies of a file that are checked before others get their turn. */
export const validationsAtOnce = 50

/** Memory of a checking thread. The library itself needs about 10 MB. */
export const validationMemoryMb = 64

/** Stack of a checking thread, less than any other thread has: what fits here fits where decisions are made. */
export const validationStackMb = 0.75

/**
 * Policies that are checked before they are stored: each has a thread, and decisions need the processor more. At a fifth of
 * a second each the last of a tenant waits about two seconds; many of a file are one job.
 */
export const validations = {
  jobs: 'policy checks',
  atOnce: { total: 2, tenant: 2, root: 1 },
  waitingMax: { total: 64, tenant: 24, root: 12 },
  bytesMax: { total: 16_000_000, tenant: 8_000_000, root: 4_000_000 },
  waitMsMax: 20_000,
  honestMs: 500,
  budgetMs: { tenant: 8_000, root: 4_000 },
  halfLifeMs: 10_000,
}

/** Most policies of one file: twice as many as the largest sets that were measured. */
export const filePoliciesMax = 20_000

/** Policies of a file that are taken over from its thread in one turn of the event loop: a millisecond or two. */
export const filePartPolicies = 200

/** Longest that splitting a file may take; 8 MB of honest policies take a tenth of a second. */
export const fileSplitMs = 10_000

/** Memory of the thread that splits a file: three times its text, as UTF-16, and what finds the ends. */
export const fileMemoryMb = 256

/** Files that are split: one at a time, since decisions need the processor more. */
export const fileQueue: FairQueueLimits = {
  atOnce: { total: 1, tenant: 1, root: 1 },
  waitingMax: { total: 16, tenant: 6, root: 3 },
  bytesMax: { total: 64 * 1024 * 1024, tenant: 32 * 1024 * 1024, root: 16 * 1024 * 1024 },
  waitMsMax: 10_000,
  honestMs: 0,
  budgetMs: { tenant: 2_000, root: 1_000 },
  halfLifeMs: 30_000,
}
