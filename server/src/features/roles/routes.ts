import * as contract from '@agent-iam/contract/roles'
import { route } from '../../platform/route.ts'
import { isBuiltIn, isInForce, isRoleKey, permissionToWire, toWire, type Assignment } from './model.ts'
import * as service from './service.ts'

export const roleRoutes = [
  route(contract.listRoles, async (ctx, { query }) => {
    const { rows, nextCursor } = await service.pageRoles(ctx, query)
    return { roles: rows.map(toWire), nextCursor }
  }),
  route(contract.createRole, async (ctx, { body }) => toWire(await service.createRole(ctx, body))),
  route(contract.getRole, async (ctx, { params }) => wholeToWire(await service.getRole(ctx, params.roleId))),
  route(contract.replaceRole, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.updateRole(ctx, params.roleId, body, ifMatch)),
  ),
  route(contract.updateRole, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.updateRole(ctx, params.roleId, body, ifMatch)),
  ),
  route(contract.deleteRole, async (ctx, { params, query, ifMatch }) => {
    const asked = { force: query.force === 'true', ifMatch }
    const { id: roleId, takenOutOf, ...deleted } = await service.deleteRole(ctx, params.roleId, asked)
    return { ...deleted, roleId, takenOutOf: [...takenOutOf] }
  }),
  route(contract.listRoleAssignments, async (ctx, { params, query }) => {
    const { rows, nextCursor } = await service.pageAssignments(ctx, params.roleId, query)
    return { assignments: rows.map((row) => assignmentToWire(row, ctx.clock.now())), nextCursor }
  }),
  route(contract.assignRole, async (ctx, { params: { roleId, identityId }, body }) =>
    assignmentToWire(await service.assignRole(ctx, roleId, identityId, body), ctx.clock.now()),
  ),
  route(contract.unassignRole, async (ctx, { params: { roleId, identityId } }) => {
    const taken = await service.unassignRole(ctx, roleId, identityId)
    return { ...assignmentToWire(taken, ctx.clock.now()), inForce: false }
  }),
  route(contract.listIdentityRoles, async (ctx, { params: { identityId } }) => {
    const roles = await service.readRolesOf(ctx, identityId)
    return { identityId, roles: roles.map((role) => namedToWire(role, ctx.clock.now())) }
  }),
]

function wholeToWire({ role, inherited }: service.WholeRole): contract.WholeRole {
  const inheritedPermissions = inherited.flatMap(({ from, ...held }) =>
    isRoleKey(from) ? [{ ...permissionToWire(held), from }] : [],
  )
  return { ...toWire(role), inheritedPermissions }
}

function assignmentToWire(assignment: Assignment, now: Date): contract.RoleAssignment {
  const { role, identityId, validFrom, validUntil, grantedBy, grantedAt } = assignment
  return {
    roleId: role,
    identityId,
    validFrom: validFrom?.toISOString() ?? null,
    validUntil: validUntil?.toISOString() ?? null,
    grantedBy,
    grantedAt: grantedAt.toISOString(),
    inForce: isInForce(assignment, now),
  }
}

function namedToWire(assignment: service.NamedAssignment, now: Date) {
  const { identityId: _, ...wire } = assignmentToWire(assignment, now)
  return { ...wire, name: assignment.name, builtIn: isBuiltIn(assignment.role) }
}
