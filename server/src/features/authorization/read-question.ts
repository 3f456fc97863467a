import type { z } from 'zod'
import { platformResourceType } from '@agent-iam/contract/capabilities'
import {
  ActionName,
  ResourceType,
  type CedarCheck,
  type EntityReference,
  type PlainCheck,
} from '@agent-iam/contract/authorization'
import { IdentityIdSchema, type IdentityId } from '@agent-iam/contract/ids'
import type { OpenObject } from '@agent-iam/contract/json'
import { Problem } from '../../platform/problem.ts'
import type { ResourceName } from '../capabilities/model.ts'
import { readString, toRequestFacts, type CedarJson } from '../policies/model.ts'

/** A check as it was asked, whichever of its two spellings was used. */
export interface AskedCheck {
  /** Undefined: the caller asks for itself, or for the holder of `subjectToken`. */
  readonly identityId: IdentityId | undefined
  readonly subjectToken: string | undefined
  readonly action: string
  readonly resource: ResourceName
  /** As it was sent, for the log. */
  readonly context: OpenObject
  /** The same in Cedar's words. */
  readonly facts: Readonly<Record<string, CedarJson>>
}

export function readPlainCheck(body: z.output<typeof PlainCheck>): AskedCheck {
  const { agentId: identityId, subjectToken, action, context } = body
  if (identityId && subjectToken) throw refusal('subjectToken', 'name the agent or send its token, not both')
  return {
    identityId,
    subjectToken,
    action,
    resource: readResource(body.resource),
    context,
    facts: toRequestFacts(context),
  }
}

export function readCedarCheck(body: z.output<typeof CedarCheck>): AskedCheck {
  const principal = readEntity('principal', body.principal, ['User', 'Service', 'Agent'])
  const identityId = IdentityIdSchema.safeParse(principal)
  if (!identityId.success) throw refusal('principal', 'is not the id of an identity')
  const action = ActionName.safeParse(readEntity('action', body.action, ['Action']))
  if (!action.success) throw refusal('action', 'is empty, too long, or holds a colon')
  const resource = readResource(readEntity('resource', body.resource, ['Resource']))
  const { context } = body
  return {
    identityId: identityId.data,
    subjectToken: undefined,
    action: action.data,
    resource,
    context,
    facts: toRequestFacts(context),
  }
}

/** The id is all after the first slash; a type alone means the whole type. */
export function readResource(reference: string | ResourceName): ResourceName {
  const slash = typeof reference === 'string' ? reference.indexOf('/') : -1
  const resource =
    typeof reference !== 'string'
      ? reference
      : { type: slash < 0 ? reference : reference.slice(0, slash), id: slash < 0 ? '' : reference.slice(slash + 1) }
  if (!ResourceType.safeParse(resource.type).success)
    throw refusal('resource', 'its type is 1 to 64 letters, digits, dots, dashes or underscores')
  if (resource.type === platformResourceType)
    throw refusal('resource', `${platformResourceType} is the platform itself, which checks its own operations`)
  return resource
}

const entityText = /^AgentIam::([A-Za-z]+)::"((?:[^"\\]|\\.)*)"$/su
/** The id of an entity in Cedar's spelling, as text or taken apart; it must be of one of the types. */
function readEntity(field: string, reference: z.output<typeof EntityReference>, types: readonly string[]): string {
  const { type, id } = typeof reference === 'string' ? parseEntity(field, reference) : reference
  if (types.some((each) => type === `AgentIam::${each}`)) return id
  throw refusal(field, `is not one of ${types.map((each) => `AgentIam::${each}`).join(', ')}`)
}

function parseEntity(field: string, text: string): { type: string; id: string } {
  const [, type, quoted] = entityText.exec(text) ?? []
  if (type === undefined || quoted === undefined) throw refusal(field, 'is not of the form AgentIam::Type::"id"')
  const id = readString(quoted)
  if (id === undefined || id.includes('\0')) throw refusal(field, 'has an escape that Cedar does not know, or a NUL')
  return { type: `AgentIam::${type}`, id }
}

function refusal(field: string, message: string): Problem {
  return new Problem('invalid-request', `${field}: ${message}`, { errors: [{ field, message }] })
}
