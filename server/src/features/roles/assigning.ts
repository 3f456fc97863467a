import type { RoleKey } from '@agent-iam/contract/roles'
import { rolesOfIdentityMax } from '@agent-iam/contract/roles'
import type { IdentityId, UserId } from '@agent-iam/contract/ids'
import {
  actorOf,
  inTransaction,
  sourceAgentOf,
  sourceSessionOf,
  type Context,
  type PlatformAction,
  type Transaction,
} from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { endInvitationsOf, lockWithAdministrators, requireAnotherAdministrator } from '../accounts/service.ts'
import { recordEvent } from '../audit/service.ts'
import {
  endWithSource,
  listReach,
  readRoleDefinitions,
  requireHolds,
  requireMayDelegate,
  requireOwnAuthority,
} from '../capabilities/service.ts'
import { nounOf } from '../identities/model.ts'
import { findIdentity, lockIdentity } from '../identities/service.ts'
import { endSessionsOf } from '../sessions/service.ts'
import { requireRole } from './finding.ts'
import { reachOf, readTimes, type Assignment, type Times } from './model.ts'
import { deleteAssignment, listAssignmentsOf, upsertAssignment } from './store/assignments.ts'
import { holdRole } from './store/roles.ts'

/** For how long a role is given, as it was asked for. */
export interface AskedTimes {
  readonly validFrom?: string | null | undefined
  readonly validUntil?: string | null | undefined
}

/** Gives an identity a role all of which the caller holds, or changes the time of it. */
export async function assignRole(
  ctx: Context,
  role: RoleKey,
  identityId: IdentityId,
  asked: AskedTimes,
): Promise<Assignment> {
  return inTransaction(ctx, async (tx) => {
    const { held, administrators, given } = await holdForAssigning(tx, 'roles:assign', role, identityId)
    if (sourceAgentOf(tx.caller)) requireOwnAuthority(tx, 'a role that an agent assigns')
    if (held.some((each) => each.role === role && each.standsAlone)) requireOwnAuthority(tx, 'the changed assignment')
    const now = tx.clock.now()
    const times = readTimes(asked, now)
    await requireMayDelegate(tx, given, { from: times.validFrom, until: times.validUntil })
    if (isBounded(times) && role === 'admin') requireAnotherAdministrator(administrators, identityId)
    requireRoom(held, role)
    const validUntil = await endWithSource(tx, times.validUntil)
    const standsAlone = sourceSessionOf(tx.caller) === undefined
    const made = { grantedBy: actorOf(tx.caller), grantedAt: now, standsAlone }
    const assignment = { role, identityId, ...times, validUntil, ...made }
    await upsertAssignment(tx, assignment)
    // A tenant may ask more of an administrator's login than was asked at this user's.
    if (role === 'admin' && !held.some((each) => each.role === role))
      await endSessionsOf(tx, identityId, { reason: 'role changed' })
    recordAssignment(tx, 'role.assigned', assignment)
    return assignment
  })
}

/** Takes a role away, begun or not. The last lasting administrator keeps theirs. */
export async function unassignRole(ctx: Context, role: RoleKey, identityId: IdentityId): Promise<Assignment> {
  return inTransaction(ctx, async (tx) => {
    const { held, administrators } = await holdForAssigning(tx, 'roles:unassign', role, identityId)
    const assignment = held.find((each) => each.role === role)
    if (!assignment) throw notFound('assignments', `${role}/${identityId}`)
    if (role === 'admin') requireAnotherAdministrator(administrators, identityId)
    await deleteAssignment(tx, role, identityId)
    // Whom a user invited would else come by more than the user may give now.
    if (isId('user', identityId)) await endInvitationsOf(tx, identityId)
    recordAssignment(tx, 'role.unassigned', assignment)
    return assignment
  })
}

interface Ground {
  /** The roles that the identity has, or will have. */
  readonly held: readonly Assignment[]
  /** Who is an administrator without an end. */
  readonly administrators: readonly UserId[]
  /** All that the role gives. */
  readonly given: readonly string[]
}

/**
 * Holds an identity and a role, which the caller may give and take: all of it is the caller's own, and so is what a user
 * holds already, for nobody decides about who holds more than they do.
 */
async function holdForAssigning(
  tx: Transaction,
  action: PlatformAction,
  role: RoleKey,
  identityId: IdentityId,
): Promise<Ground> {
  if (!(await findIdentity(tx, identityId))) throw notFound(nounOf(identityId), identityId)
  await requireRole(tx, action, role)
  const administrators = await hold(tx, identityId)
  if (isId('role', role) && !(await holdRole(tx, role))) throw notFound('roles', role)
  const given = reachOf(role, await readRoleDefinitions(tx))
  await requireHolds(tx, given)
  if (isId('user', identityId)) await requireHolds(tx, await listReach(tx, identityId))
  const identity = await findIdentity(tx, identityId)
  if (!identity || identity.status === 'revoked' || identity.status === 'deleted')
    throw new Problem('wrong-state', `${identityId} has ended; its roles change no more`)
  return { held: await listAssignmentsOf(tx, identityId), administrators, given }
}

async function hold(tx: Transaction, identityId: IdentityId): Promise<readonly UserId[]> {
  if (isId('user', identityId)) return lockWithAdministrators(tx, identityId)
  await lockIdentity(tx, identityId)
  return []
}

function isBounded({ validFrom, validUntil }: Times): boolean {
  return validFrom !== undefined || validUntil !== undefined
}

function requireRoom(held: readonly Assignment[], role: RoleKey): void {
  if (held.length < rolesOfIdentityMax || held.some((each) => each.role === role)) return
  throw new Problem('quota-spent', `an identity may have ${rolesOfIdentityMax} roles; make one of several`)
}

function recordAssignment(tx: Transaction, type: 'role.assigned' | 'role.unassigned', assignment: Assignment): void {
  const { role, identityId, validFrom, validUntil } = assignment
  recordEvent(tx, {
    type,
    resource: `agent-iam/roles/${role}`,
    data: {
      identityId,
      validFrom: validFrom?.toISOString() ?? null,
      validUntil: validUntil?.toISOString() ?? null,
    },
    // A policy may forbid something to who has a role, so giving one may take a right away.
    narrows: true,
  })
}
