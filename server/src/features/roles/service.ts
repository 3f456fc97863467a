/**
 * Roles: the built-in ones, and those that a tenant makes of permissions and of other roles; and who has them, for how
 * long. Decisions read them anew once anything of them has changed. It guarantees that nobody comes by a role, or makes
 * one of what somebody has, that does more than they do themselves (DESIGN D5), and that roles never inherit in a circle.
 */
import type { RoleKey } from '@agent-iam/contract/roles'
import type { IdentityId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { isId, toUuid } from '../../platform/ids.ts'
import { decodeCursor, ofAnotherList, toPage } from '../../platform/paging.ts'
import type { Held } from '../capabilities/model.ts'
import { readRoleDefinitions, requireScope } from '../capabilities/service.ts'
import { getIdentity } from '../directory/service.ts'
import { requireRole } from './finding.ts'
import { builtInRoles, inheritedBy, type Assignment, type Role } from './model.ts'
import { listAssignments, listAssignmentsOf } from './store/assignments.ts'
import { listRoles } from './store/roles.ts'

export { assignRole, unassignRole } from './assigning.ts'
export { createRole, deleteRole, updateRole } from './changing.ts'
export { endExpiredRoles } from './expired.ts'

/** A role with what it has by inheritance beside its own. */
export interface WholeRole {
  readonly role: Role
  readonly inherited: ReadonlyArray<Held & { readonly from: string }>
}

export async function getRole(ctx: Context, key: RoleKey): Promise<WholeRole> {
  return inTransaction(ctx, async (tx) => {
    const role = await requireRole(tx, 'roles:read', key)
    return { role, inherited: inheritedBy(role, await readRoleDefinitions(tx)) }
  })
}

export interface RolesQuery {
  readonly limit: number
  readonly cursor?: string | undefined
}

/** The built-in ones stand before all names. */
export async function pageRoles(
  ctx: Context,
  { limit, cursor }: RolesQuery,
): Promise<{ rows: Role[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('roles:read', { type: 'roles' })
    const { place, after } = cursor === undefined ? { place: 0, after: undefined } : readPlace(cursor)
    const builtIn = builtInRoles.slice(place, place + limit + 1)
    const own = await listRoles(tx, after, limit + 1 - builtIn.length)
    return toPage([...builtIn, ...own], limit, placeOf)
  })
}

/** Where a page ended: among the built-in roles, or after them all at a name and an id. */
function placeOf(role: Role): readonly string[] {
  if (isId('role', role.key)) return [String(builtInRoles.length), role.name, toUuid(role.key)]
  return [String(1 + builtInRoles.findIndex(({ key }) => key === role.key)), '', '']
}

const wholeNumber = /^\d{1,2}$/
const uuidText = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function readPlace(cursor: string): { place: number; after: [name: string, uuid: string] | undefined } {
  const [place = '', name = '', uuid = ''] = decodeCursor(cursor, 3)
  if (!wholeNumber.test(place)) throw ofAnotherList()
  if (uuid !== '' && !uuidText.test(uuid)) throw ofAnotherList()
  return { place: Number(place), after: uuid === '' ? undefined : [name, uuid] }
}

/** Who has a role, or will. */
export async function pageAssignments(
  ctx: Context,
  key: RoleKey,
  { limit, cursor }: RolesQuery,
): Promise<{ rows: Assignment[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await requireRole(tx, 'roles:read', key)
    const [after] = cursor === undefined ? [] : decodeCursor(cursor, 1)
    if (after !== undefined && !uuidText.test(after)) throw ofAnotherList()
    const found = await listAssignments(tx, key, after, limit + 1)
    return toPage(found, limit, ({ identityId }) => [toUuid(identityId)])
  })
}

/** An assignment with the name of its role. */
export interface NamedAssignment extends Assignment {
  readonly name: string
}

/** The roles of an identity, the first given first. */
export async function readRolesOf(ctx: Context, id: IdentityId): Promise<NamedAssignment[]> {
  return inTransaction(ctx, async (tx) => {
    await requireReadable(tx, id)
    const names = new Map((await readRoleDefinitions(tx)).map(({ key, name }) => [key, name]))
    const assignments = await listAssignmentsOf(tx, id)
    return assignments.flatMap((assignment) => {
      const name = names.get(assignment.role)
      return name === undefined ? [] : { ...assignment, name }
    })
  })
}

/** Everybody may know what they have themselves. */
async function requireReadable(tx: Transaction, id: IdentityId): Promise<void> {
  const { caller } = tx
  const isSelf = caller.kind === 'identity' && caller.identityId === id && caller.actors.length === 0
  // The blocks of an attenuated token are asked by a decision only.
  if (isSelf && caller.attenuation === undefined) requireScope(caller, 'agent-iam/identities:read')
  else await getIdentity(tx, id)
}
