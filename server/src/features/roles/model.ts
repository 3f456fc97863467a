import {
  roleClosureMax,
  roleDepthMax,
  type RoleKey,
  type RolePermission,
  type Role as RoleOnWire,
} from '@agent-iam/contract/roles'
import type { IdentityId, RoleId } from '@agent-iam/contract/ids'
import type { Json } from '@agent-iam/contract/json'
import { skeleton } from '../../lib/confusable.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import {
  builtInDefinitions,
  closureOf,
  firstExcess,
  isRole,
  openConditions,
  type Held,
  type Role as BuiltInRole,
  type RoleDefinition,
} from '../capabilities/model.ts'

/** A role as it is administered. */
export interface Role extends RoleDefinition {
  readonly key: RoleKey
  readonly description: string
  readonly revision: number
  /** Undefined of a built-in one. */
  readonly made: Made | undefined
}

interface Made {
  readonly by: string
  readonly at: Date
  readonly changedAt: Date
}

/** A role of the tenant's own. */
export interface OwnRole extends Role {
  readonly key: RoleId
  readonly made: Made
}

const builtInDescriptions: Readonly<Record<BuiltInRole, string>> = {
  admin: 'May do everything in the tenant, and decides who may do what.',
  manager: 'May do everything with the tenant’s resources, and manages agents and enrolment tokens.',
  member: 'Reads agents and policies.',
  viewer: 'Reads what the platform holds, and changes nothing.',
  operator: 'Keeps things running: keys, mail, limits, settings, and which agents and services may act.',
  auditor: 'Reads everything of the platform, the log and the policies too, asks why, and changes nothing.',
}

/** The built-in roles, the strongest first. */
export const builtInRoles: readonly Role[] = builtInDefinitions.flatMap((definition) => {
  const { key } = definition
  if (!isRole(key)) return []
  return { ...definition, key, description: builtInDescriptions[key], revision: 1, made: undefined }
})

export function isBuiltIn(key: RoleKey): boolean {
  return isRole(key)
}

export function isRoleKey(text: string): text is RoleKey {
  return isRole(text) || isId('role', text)
}

/** Every entry of a role and of what it inherits, whatever the circumstances. */
export function reachOf(key: string, definitions: readonly RoleDefinition[]): string[] {
  return closureOf([key], definitions).flatMap(({ permissions }) => permissions.map(({ entry }) => entry))
}

/** Every entry that a role has by inheritance alone, with the role that lists it. */
export function inheritedBy(
  role: RoleDefinition,
  definitions: readonly RoleDefinition[],
): Array<Held & { from: string }> {
  const others = closureOf(role.inherits, definitions).filter(({ key }) => key !== role.key)
  return others.flatMap(({ key, permissions }) => permissions.map((held) => ({ ...held, from: key })))
}

/** What the built-in administrator has, and nobody else: whether one is left, and how they log in, is looked at. */
const allOfThePlatform = ['agent-iam:*']

/**
 * Refuses a role that inherits itself, makes a chain of roles too long, or makes one too large, itself or by who inherits
 * it; and one that does what only the built-in administrator does.
 *
 * @param definitions all roles, the changed one as it will be
 */
export function requireSound(changed: RoleDefinition, definitions: readonly RoleDefinition[]): void {
  const loop = changed.inherits.find((key) => closureOf([key], definitions).some((role) => role.key === changed.key))
  if (loop !== undefined)
    throw new Problem('wrong-state', `"${changed.name}" would inherit itself, by way of ${loop}; leave that out`)
  if (firstExcess(allOfThePlatform, reachOf(changed.key, definitions)) === undefined)
    throw new Problem('capability-exceeded', 'all of the platform is for the role admin alone; assign that instead')
  const depths = new Map<string, number>()
  const byKey = new Map(definitions.map((role) => [role.key, role]))
  const tooDeep = definitions.find(({ key }) => depthOf(key, byKey, depths) > roleDepthMax)
  if (tooDeep) throw new Problem('quota-spent', `"${tooDeep.name}" would inherit over more than ${roleDepthMax} steps`)
  const tooLarge = definitions.find(({ key }) => reachOf(key, definitions).length > roleClosureMax)
  if (tooLarge)
    throw new Problem(
      'quota-spent',
      `"${tooLarge.name}" would have more than ${roleClosureMax} permissions with what it inherits`,
    )
}

/** Steps to the last that a role inherits. There is no cycle. */
function depthOf(key: string, byKey: ReadonlyMap<string, RoleDefinition>, known: Map<string, number>): number {
  const found = known.get(key)
  if (found !== undefined) return found
  const depth = Math.max(0, ...(byKey.get(key)?.inherits ?? []).map((above) => 1 + depthOf(above, byKey, known)))
  known.set(key, depth)
  return depth
}

const builtInSkeletons: ReadonlySet<string> = new Set(builtInRoles.map(({ name }) => skeleton(name)))

/** Whether a name is a built-in role's, or looks like one. */
export function isReserved(name: string): boolean {
  return builtInSkeletons.has(skeleton(name))
}

/** What a role permits, as it was given: conditions that name nothing are none. */
export function toHeld({ permission, conditions }: RolePermission): Held {
  const isBound = conditions && Object.values(conditions).some((condition) => condition !== undefined)
  return { entry: permission, ...(isBound && { conditions }) }
}

/** Who has a role, and when. */
export interface Assignment {
  readonly role: RoleKey
  readonly identityId: IdentityId
  readonly validFrom: Date | undefined
  readonly validUntil: Date | undefined
  readonly grantedBy: string
  readonly grantedAt: Date
  /** Whether it rests on no session, but on rights of its assigner's own. */
  readonly standsAlone: boolean
}

export interface Times {
  readonly validFrom: Date | undefined
  readonly validUntil: Date | undefined
}

/** The time that an assignment is asked for: what began already begins now. Refuses what never counts. */
export function readTimes(
  asked: { validFrom?: string | null | undefined; validUntil?: string | null | undefined },
  now: Date,
): Times {
  const [from, until] = [asked.validFrom, asked.validUntil].map((text) => (text ? new Date(text) : undefined))
  const validFrom = from && from > now ? from : undefined
  if (until && until <= (validFrom ?? now)) {
    const message = validFrom ? 'is not after validFrom' : 'is past; take away what shall end now'
    throw new Problem('invalid-request', `validUntil: ${message}`, { errors: [{ field: 'validUntil', message }] })
  }
  return { validFrom, validUntil: until }
}

/** An end is the first instant at which the role counts no more. */
export function isInForce({ validFrom, validUntil }: Times, now: Date): boolean {
  return (!validFrom || validFrom <= now) && (!validUntil || validUntil > now)
}

export function permissionToWire({ entry, conditions }: Held): RolePermission {
  return { permission: entry, ...(conditions && { conditions }) }
}

export function toWire(role: Role): RoleOnWire {
  const { key, name, description, permissions, inherits, made, revision } = role
  return {
    roleId: key,
    name,
    description,
    builtIn: made === undefined,
    permissions: permissions.map(permissionToWire),
    inherits: inherits.filter(isRoleKey),
    createdBy: made?.by ?? null,
    createdAt: made?.at.toISOString() ?? null,
    updatedAt: made?.changedAt.toISOString() ?? null,
    revision,
  }
}

/** What a role may do, for the log; the addresses of its conditions are in `addressesOf`. */
export function toRecord({ name, permissions, inherits }: RoleDefinition): Record<string, Json> {
  return {
    name,
    permissions: permissions.map(({ entry, conditions }) =>
      conditions ? { permission: entry, conditions: openConditions(conditions) } : entry,
    ),
    inherits: [...inherits],
  }
}

/** The addresses that a role's permissions are bound to, by permission: personal, and sealed in the log. */
export function addressesOf({ permissions }: RoleDefinition): Record<string, string[]> | undefined {
  const bound = permissions.flatMap(({ entry, conditions }): Array<[string, string[]]> =>
    conditions?.addresses ? [[entry, [...conditions.addresses]]] : [],
  )
  return bound.length > 0 ? Object.fromEntries(bound) : undefined
}
