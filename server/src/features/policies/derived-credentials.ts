/**
 * Which of the platform's actions each kind of derived credential is refused. This is the one place: the guard's Cedar text
 * is made of it, and every operation of the contract is classified by it (`derivedRefusals`).
 */

/** Kinds of credential that a request may present, as `context.presented` names them. */
export type Presented = 'login' | 'sdk-token' | 'oauth-client' | 'enrolment-token' | Derived

/**
 * Those that act with authority that somebody else proved. `exchanged`: a token of another identity (RFC 8693).
 * `attenuated`: a Biscuit with appended blocks. `attenuated-parent`: an identity that was made with one, or descends from
 * such an identity.
 */
export const derivedKinds = ['api-key', 'exchanged', 'attenuated', 'attenuated-parent'] as const
export type Derived = (typeof derivedKinds)[number]

/** Makes or changes credentials, roles, factors, clients or enrolment tokens, or returns secrets of others. */
const never = derivedKinds
/** What an identity does with its own credential; a child of an attenuated token has one. */
const neverByDerivedToken = ['api-key', 'exchanged', 'attenuated'] as const
/** It would outlive the token, and no chain would name who it was made for. An API key acts in its holder's own name. */
const inOwnName = ['exchanged', 'attenuated', 'attenuated-parent'] as const
/** About the caller itself, whom an exchanged or attenuated token only represents. */
const bySelf = ['exchanged', 'attenuated'] as const
/** It is not bound by the blocks of an attenuated token, once done. */
const unattenuated = ['attenuated', 'attenuated-parent'] as const
/** A child of an attenuated token may stop what it made. */
const byWholeToken = ['attenuated'] as const
const always = [] as const

const refusals: Readonly<Record<string, readonly Derived[]>> = {
  'agents:change-owner': unattenuated,
  'agents:check': always,
  'agents:create-api-key': never,
  // A child outlives the API key, and the chain of a child has room for one parent only.
  'agents:delegate': ['api-key', 'exchanged'],
  'agents:delete': byWholeToken,
  'agents:move': inOwnName,
  'agents:pin-certificate': never,
  'agents:reactivate': unattenuated,
  'agents:register': inOwnName,
  'agents:remove-certificate': never,
  'agents:revoke': byWholeToken,
  'agents:revoke-key': never,
  'agents:rotate-key': neverByDerivedToken,
  'agents:set-trust': unattenuated,
  'agents:suspend': byWholeToken,
  'agents:update': unattenuated,
  'agents:verify': unattenuated,
  'api-keys:delete': never,
  'api-keys:disable': never,
  'api-keys:enable': never,
  'api-keys:rotate': never,
  'audit:read-personal': always,
  'capabilities:grant': inOwnName,
  'capabilities:revoke': unattenuated,
  'clients:create': never,
  'clients:delete': never,
  'clients:rotate-secret': never,
  'clients:update': never,
  'decisions:check': always,
  'decisions:explain': unattenuated,
  'decisions:report': always,
  'decisions:search': unattenuated,
  'enrolment-tokens:create': never,
  'enrolment-tokens:revoke': never,
  // Each member of a bulk, and whatever an identity is made as, is authorised by the action of its kind too.
  'identities:bulk': unattenuated,
  'identities:create': unattenuated,
  'identities:delete': unattenuated,
  'identities:reactivate': unattenuated,
  'identities:revoke': unattenuated,
  'identities:suspend': unattenuated,
  'identities:update': unattenuated,
  'identities:verify': unattenuated,
  'invitations:revoke': unattenuated,
  'limits:create': unattenuated,
  'limits:delete': unattenuated,
  'limits:update': unattenuated,
  // Its messages contain links that log in.
  'outbox:open': never,
  'own-api-keys:create': never,
  'own-api-keys:read': bySelf,
  'own-biscuits:create': never,
  'own-creations:confirm': never,
  'own-creations:read': bySelf,
  'own-factors:read': bySelf,
  'own-factors:update': never,
  'own-password:update': never,
  'own-sdk-tokens:create': never,
  'own-sdk-tokens:read': bySelf,
  'own-sdk-tokens:recover': never,
  'own-sdk-tokens:revoke': never,
  'own-sessions:create': neverByDerivedToken,
  // Whoever got a narrowed token must not end the session of the one it got it from.
  'own-sessions:end': byWholeToken,
  'policies:activate': inOwnName,
  'policies:create': inOwnName,
  'policies:delete': inOwnName,
  'policies:retire': inOwnName,
  'policies:rollback': inOwnName,
  'policies:shadow': unattenuated,
  'policies:simulate': unattenuated,
  'policies:update': inOwnName,
  // Makes an account with a role.
  'registrations:approve': never,
  'registrations:reject': unattenuated,
  'resource-servers:create': unattenuated,
  'resource-servers:delete': unattenuated,
  'resource-types:create': unattenuated,
  'resource-types:delete': unattenuated,
  'resource-types:update': unattenuated,
  'resources:delete': unattenuated,
  'resources:update': unattenuated,
  'roles:assign': never,
  'roles:create': never,
  'roles:delete': never,
  'roles:unassign': never,
  'roles:update': never,
  'services:add-key': never,
  'services:check': unattenuated,
  'services:create': never,
  'services:create-secret': never,
  'services:delete': unattenuated,
  'services:delete-key': never,
  'services:delete-secret': never,
  'services:pin-certificate': never,
  'services:reactivate': unattenuated,
  'services:remove-certificate': never,
  'services:revoke': unattenuated,
  'services:suspend': unattenuated,
  'services:update': unattenuated,
  'services:verify': unattenuated,
  'sessions:create': neverByDerivedToken,
  'sessions:end': byWholeToken,
  'sessions:update': byWholeToken,
  // Whether a login needs a second factor, and who may register.
  'settings:update': never,
  'signing-keys:configure': unattenuated,
  'signing-keys:revoke': unattenuated,
  'signing-keys:rotate': unattenuated,
  'tenant:update': unattenuated,
  // Returns the link with which its first administrator comes in.
  'tenants:create': never,
  'tenants:invite-administrator': never,
  'tenants:reactivate': unattenuated,
  'tenants:set-limits': unattenuated,
  'tenants:suspend': unattenuated,
  'tenants:update': unattenuated,
  'tokens:verify': always,
  'trust-thresholds:update': inOwnName,
  'users:check': unattenuated,
  'users:delete': unattenuated,
  'users:import': never,
  'users:invite': never,
  'users:reactivate': unattenuated,
  'users:reset-factors': never,
  'users:revoke': unattenuated,
  'users:set-role': never,
  'users:suspend': unattenuated,
  'users:unlock': unattenuated,
  'users:update': unattenuated,
  'users:verify': unattenuated,
}

/**
 * The kinds of derived credential that an action is refused; undefined for an action that nobody classified. Reading is
 * open to all unless the table says otherwise: a read of others' secrets must be in it.
 */
export function derivedRefusals(action: string): readonly Derived[] | undefined {
  if (Object.hasOwn(refusals, action)) return refusals[action]
  return action.endsWith(':read') ? always : undefined
}

/** Actions that the same kinds are refused. */
export interface RefusalClass {
  readonly kinds: readonly Derived[]
  readonly actions: readonly string[]
}

/** All that is refused to any kind. */
export const refusalClasses: readonly RefusalClass[] = [
  ...Map.groupBy(Object.entries(refusals), ([, kinds]) => kinds.join(' ')).values(),
].flatMap((entries) => {
  const kinds = entries[0]?.[1] ?? always
  return kinds.length === 0 ? [] : [{ kinds, actions: entries.map(([action]) => action) }]
})

export function isDerived(kind: Presented): kind is Derived {
  return derivedKinds.some((each) => each === kind)
}
