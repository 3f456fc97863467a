import { parseGrant } from '@agent-iam/contract/capabilities'
import type { Facts } from '../authorization/model.ts'
import type { Rules } from '../authorization/service.ts'
import { closureOf } from '../capabilities/model.ts'

/**
 * The actions that somebody may be asked about on resources of a type, in order: those that the type declares, those
 * that the chain was granted or has by a role, and those that policies name. Whether they are allowed is decided of each.
 */
export function knownActions({ definitions, policies }: Rules, { hops }: Facts, type: string): string[] {
  const declared = definitions.resources.types.get(type)?.actions.keys() ?? []
  const held = hops.flatMap(({ grants, roles }) => [
    ...grants,
    ...closureOf(roles, definitions.roles).flatMap(({ permissions }) => permissions),
  ])
  const granted = held.flatMap(({ entry }) => actionGranted(entry, type) ?? [])
  const named = policies.policies.flatMap(({ cedar }) =>
    [...cedar.matchAll(actionName)].flatMap(([, name]) => name ?? []),
  )
  // The platform's own actions hold a colon; nobody asks about them here.
  return [...new Set([...declared, ...granted, ...named])].filter((action) => !action.includes(':')).toSorted()
}

/** Names with escapes are passed over: one that is not found here is not decided, which is no wrong answer. */
const actionName = /AgentIam::Action::"([^"\\]+)"/g

function actionGranted(entry: string, type: string): string | undefined {
  const grant = parseGrant(entry)
  const isOfType = grant?.type === type || grant?.type === '*'
  return isOfType && grant.action !== '*' ? grant.action : undefined
}
