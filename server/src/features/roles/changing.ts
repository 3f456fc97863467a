import type { NewRole, RoleChange, RoleKey } from '@agent-iam/contract/roles'
import { rolesMax } from '@agent-iam/contract/roles'
import type { RoleId } from '@agent-iam/contract/ids'
import type { EventType } from '@agent-iam/contract/event-types'
import { actorOf, inTransaction, type Context, type PlatformAction, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { requireRevision, type IfMatch } from '../../platform/revision.ts'
import { recordEvent } from '../audit/service.ts'
import type { RoleDefinition } from '../capabilities/model.ts'
import { readRoleDefinitions, requireHolds, requireMayDelegate, requireOwnAuthority } from '../capabilities/service.ts'
import { requireRole } from './finding.ts'
import { addressesOf, isReserved, isRoleKey, reachOf, requireSound, toHeld, toRecord, type OwnRole } from './model.ts'
import { deleteAssignments, listHolders } from './store/assignments.ts'
import {
  deleteRole as deleteRow,
  findRoleForUpdate,
  holdDefinitions,
  insertRole,
  updateRole as updateRow,
} from './store/roles.ts'

/** Makes a role of what the caller holds. */
export async function createRole(ctx: Context, input: NewRole): Promise<OwnRole> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('roles:create', { type: 'roles' })
    await holdDefinitions(tx)
    const others = await readRoleDefinitions(tx)
    if (others.filter(({ key }) => isId('role', key)).length >= rolesMax)
      throw new Problem('quota-spent', `a tenant may have ${rolesMax} roles of its own; delete one first`)
    const now = tx.clock.now()
    const made = { by: actorOf(tx.caller), at: now, changedAt: now }
    const role = applyChange({ ...blank, key: tx.newId('role'), made }, input, others)
    await requireMayDefine(tx, role, others)
    if (!(await insertRole(tx, role))) throw taken(role.name)
    recordChange(tx, 'role.created', role, { description: input.description, narrows: false })
    return role
  })
}

const blank = { name: '', description: '', permissions: [], inherits: [], revision: 1 }

/** Changes what is given. Whoever changes a role holds what it gave and what it will give. */
export async function updateRole(ctx: Context, key: RoleKey, change: RoleChange, ifMatch: IfMatch): Promise<OwnRole> {
  return inTransaction(ctx, async (tx) => {
    const before = await holdForChange(tx, 'roles:update', key, ifMatch)
    const definitions = await readRoleDefinitions(tx)
    await requireHolds(tx, reachOf(key, definitions))
    const others = definitions.filter((role) => role.key !== key)
    const after = applyChange(before, change, others)
    const changed = {
      ...after,
      revision: before.revision + 1,
      made: { ...before.made, changedAt: tx.clock.now() },
    }
    await requireMayDefine(tx, changed, others)
    if (!(await updateRow(tx, changed))) throw taken(changed.name)
    // A policy may ask who has which role, so even what adds to one may take a right away.
    recordChange(tx, 'role.updated', changed, { description: change.description, narrows: true })
    return changed
  })
}

/** What became of a deleted role. */
interface DeletedRole {
  readonly id: RoleId
  readonly revision: number
  readonly takenFrom: number
  readonly takenOutOf: readonly RoleId[]
}

/** Deletes a role that nobody has, or takes it away with `force`. */
export async function deleteRole(
  ctx: Context,
  key: RoleKey,
  { force, ifMatch }: { force: boolean; ifMatch: IfMatch },
): Promise<DeletedRole> {
  return inTransaction(ctx, async (tx) => {
    const role = await holdForChange(tx, 'roles:delete', key, ifMatch)
    const definitions = await readRoleDefinitions(tx)
    await requireHolds(tx, reachOf(key, definitions))
    if (!force) await requireUnused(tx, role, definitions)
    const takenFrom = await deleteAssignments(tx, key)
    const takenOutOf = await deleteRow(tx, role.key)
    recordEvent(tx, {
      type: 'role.deleted',
      resource: resourceName(key),
      data: { ...toRecord(role), takenFrom, takenOutOf },
      ...sealed({ addresses: addressesOf(role) }),
      narrows: true,
    })
    return { id: role.key, revision: role.revision, takenFrom, takenOutOf }
  })
}

/** So many of those who have a role are named in the refusal to delete it. */
const holdersNamed = 10

async function requireUnused(tx: Transaction, { key }: OwnRole, definitions: readonly RoleDefinition[]): Promise<void> {
  const inheriting = definitions.filter(({ inherits }) => inherits.includes(key)).map((role) => role.key)
  const { total, some } = await listHolders(tx, key, holdersNamed)
  if (total === 0 && inheriting.length === 0) return
  const holders = total > some.length ? [...some, '…'] : some
  const uses = [
    ...(total > 0 ? [`${total} have it (${holders.join(', ')})`] : []),
    ...(inheriting.length > 0 ? [`${inheriting.join(', ')} inherit it`] : []),
  ]
  throw new Problem('wrong-state', `role ${key} is in use: ${uses.join('; ')}. Take it away there, or use force=true`)
}

/** A role of the tenant's own at a revision that the caller will have changed, held with all others as they are. */
async function holdForChange(
  tx: Transaction,
  action: PlatformAction,
  key: RoleKey,
  ifMatch: IfMatch,
): Promise<OwnRole> {
  await requireRole(tx, action, key)
  if (!isId('role', key)) throw new Problem('wrong-state', `the role ${key} is built in and stays as it is`)
  await holdDefinitions(tx)
  const role = await findRoleForUpdate(tx, key)
  if (!role) throw notFound('roles', key)
  requireRevision({ id: key, revision: role.revision }, ifMatch)
  return role
}

function applyChange(role: OwnRole, change: RoleChange, others: readonly RoleDefinition[]): OwnRole {
  const { name = role.name, description = role.description, permissions, inherits } = change
  return {
    ...role,
    name,
    description,
    permissions: permissions?.map(toHeld) ?? role.permissions,
    inherits: inherits ? [...new Set(inherits.map((given) => resolve(given, [role, ...others])))] : role.inherits,
  }
}

/** Roles are named by their id, or by their name. */
function resolve(given: string, definitions: readonly RoleDefinition[]): RoleKey {
  const named = definitions.find(({ key }) => key === given) ?? definitions.find(({ name }) => name === given)
  if (!named || !isRoleKey(named.key)) throw notFound('roles', given)
  return named.key
}

/** Throws unless roles are in order with this one among them, and the caller holds all that it gives. */
async function requireMayDefine(tx: Transaction, role: OwnRole, others: readonly RoleDefinition[]): Promise<void> {
  if (isReserved(role.name)) throw taken(role.name)
  const definitions = [...others, role]
  requireSound(role, definitions)
  await requireMayDelegate(tx, reachOf(role.key, definitions))
  requireOwnAuthority(tx, 'the definition of a role')
}

function taken(name: string): Problem {
  return new Problem('already-exists', `the name "${name}" is taken, or looks like one that is`)
}

function recordChange(
  tx: Transaction,
  type: EventType,
  role: OwnRole,
  { description, narrows }: { description: string | undefined; narrows: boolean },
): void {
  recordEvent(tx, {
    type,
    resource: resourceName(role.key),
    data: toRecord(role),
    ...sealed({ description: description === '' ? undefined : description, addresses: addressesOf(role) }),
    narrows,
  })
}

/** Under the key of the month, since neither names one person. */
function sealed({ description, addresses }: { description?: string | undefined; addresses: Addresses }) {
  if (description === undefined && !addresses) return {}
  const fields = { ...(description !== undefined && { description }), ...(addresses && { addresses }) }
  return { personal: { subject: 'month' as const, fields } }
}

type Addresses = ReturnType<typeof addressesOf>

function resourceName(key: RoleKey): string {
  return `agent-iam/roles/${key}`
}
