import { z } from 'zod'

/** Longest capability entry: a type, an id prefix and an action, with room. */
export const capabilityCharactersMax = 300
/** Most capability entries of one identity. */
export const capabilitiesMax = 100

// The action ends at the last colon, so an id prefix may hold colons itself (`url/https://example.com/*:get`).
const grant =
  /^(?<type>\*|[A-Za-z0-9_.-]{1,64})(?:\/(?:(?<prefix>[^*]+)(?<star>\*)?|\*))?:(?<action>\*|[^:*\s]{1,100})$/u
/** What an entry cannot hold. */
// oxlint-disable-next-line no-control-regex -- naming the control characters is the point
export const control = /[\u0000-\u001f\u007f]/u

/**
 * A capability entry. With a `:` it asks for a grant, `type[/idPrefix*]:action`, such as `file/docs/*:read`,
 * `database:query` or `*:read`; without, it is a label: stored, shown, and granting nothing.
 */
export const CapabilityEntry = z
  .string()
  .min(1)
  .max(capabilityCharactersMax)
  .refine((entry) => entry.isWellFormed() && !control.test(entry), 'holds a control character')
  .refine((entry) => !entry.includes(':') || grant.test(entry), 'is not of the form type[/idPrefix*]:action')

/** What a grant entry says. `idPattern` is undefined where every id is meant; a `*` at its end means a prefix. */
export interface GrantParts {
  readonly type: string
  readonly idPattern: string | undefined
  readonly action: string
}

/** Takes a grant entry apart; undefined when it is a label. */
export function parseGrant(entry: string): GrantParts | undefined {
  const { type, prefix, star = '', action } = grant.exec(entry)?.groups ?? {}
  if (type === undefined || action === undefined) return undefined
  return { type, idPattern: prefix === undefined ? undefined : prefix + star, action }
}

/** The type of the platform's own resources: `*` does not reach it, so that only naming it grants it. */
export const platformResourceType = 'agent-iam'
