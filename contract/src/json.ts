import { z } from 'zod'

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/**
 * Any value of a body. The body was parsed as JSON, so nothing is left to check, and checking each value again would take a
 * second for each megabyte.
 */
export const ParsedJson: z.ZodType<Json, Json> = z.any()

/** Most members that an open object of a caller may have, at any depth together. */
export const openMembersMax = 200
/** Deepest nesting of an open object of a caller. */
export const openDepthMax = 8

interface Weight {
  readonly members: number
  readonly fault?: string
}

function weigh(value: unknown, depth: number): Weight {
  if (depth > openDepthMax) return { members: 0, fault: `is nested deeper than ${openDepthMax}` }
  if (typeof value === 'number') return weighNumber(value)
  if (typeof value === 'string') return weighText(value)
  return typeof value === 'object' && value !== null ? weighMembers(value, depth) : { members: 1 }
}

function weighNumber(value: number): Weight {
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return { members: 1 }
  return { members: 0, fault: 'holds a number beyond ±(2^53−1); send it as a string' }
}

function weighText(value: string): Weight {
  if (value.isWellFormed() && !value.includes('\u0000')) return { members: 1 }
  return { members: 0, fault: 'holds a NUL or half a character' }
}

function weighMembers(value: object, depth: number): Weight {
  let members = 1
  for (const [key, child] of Object.entries(value)) {
    const { fault } = weighText(key)
    const inner = fault ? { members: 0, fault } : weigh(child, depth + 1)
    if (inner.fault) return inner
    members += inner.members
    if (members > openMembersMax) return { members, fault: `has more than ${openMembersMax} members` }
  }
  return { members }
}

/** An object whose fields the caller chooses: bounded in size and depth, without numbers that JSON cannot keep. */
export const OpenObject = z.record(z.string().max(200), ParsedJson).superRefine((value, refinement) => {
  const { fault } = weigh(value, 0)
  if (fault) refinement.addIssue({ code: 'custom', message: fault })
})
export type OpenObject = z.infer<typeof OpenObject>

/** Longest link in metadata: what browsers take. */
const linkCharactersMax = 2000

function isLink(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > linkCharactersMax || !URL.canParse(value)) return false
  return ['https:', 'http:'].includes(new URL(value).protocol)
}

/** What is told of an identity: `version` and `region` are customary; `repository` and `documentation` are links. */
export const Metadata = OpenObject.superRefine((value, refinement) => {
  for (const name of ['repository', 'documentation'])
    if (name in value && !isLink(value[name]))
      refinement.addIssue({ code: 'custom', path: [name], message: 'is no http or https URL' })
})
