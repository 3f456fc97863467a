/** Prepared sets kept at once. The library never gives memory back, and a set of 1,000 policies holds about 3 MB. */
export const slotsMax = 128

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

/** Memory of a checking thread. The library itself needs about 10 MB. */
export const validationMemoryMb = 64

/** Stack of a checking thread, less than any other thread has: what fits here fits where decisions are made. */
export const validationStackMb = 0.75

/** Policies checked at once: each has a thread, and decisions need the processor more. */
export const validationsMax = 2

/** Policies that wait to be checked. At a fifth of a second each the last waits about three seconds. */
export const validationsWaitingMax = 32
