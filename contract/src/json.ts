import { z } from 'zod'

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/** Most members that an open object of a caller may have, at any depth together. */
export const openMembersMax = 200
/** Deepest nesting of an open object of a caller. */
export const openDepthMax = 8

function weigh(value: unknown, depth: number): { members: number; fault?: string } {
  if (depth > openDepthMax) return { members: 0, fault: `is nested deeper than ${openDepthMax}` }
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER)
    return { members: 0, fault: 'holds a number beyond ±(2^53−1); send it as a string' }
  if (typeof value === 'string' && (!value.isWellFormed() || value.includes('\u0000')))
    return { members: 0, fault: 'holds a NUL or half a character' }
  if (typeof value !== 'object' || value === null) return { members: 1 }
  let members = 1
  for (const [key, child] of Object.entries(value)) {
    const inner = key.isWellFormed() && !key.includes('\u0000') ? weigh(child, depth + 1) : { members: 0, fault: 'has a malformed key' }
    if (inner.fault) return inner
    members += inner.members
    if (members > openMembersMax) return { members, fault: `has more than ${openMembersMax} members` }
  }
  return { members }
}

/** An object whose fields the caller chooses: bounded in size and depth, without numbers that JSON cannot keep. */
export const OpenObject = z.record(z.string().max(200), z.json()).superRefine((value, refinement) => {
  const { fault } = weigh(value, 0)
  if (fault) refinement.addIssue({ code: 'custom', message: fault })
})
export type OpenObject = z.infer<typeof OpenObject>
