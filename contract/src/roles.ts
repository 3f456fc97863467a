import { z } from 'zod'
import { Role as BuiltInRole } from './accounts.ts'
import { CapabilityEntry } from './capabilities.ts'
import { GrantConditions } from './conditions.ts'
import { IdentityIdSchema, idPrefixes, idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { FreeText, Instant, Name } from './text.ts'

/** Roles of a tenant's own: more than a person can tell apart. */
export const rolesMax = 200
/** Permissions that one role lists itself. */
export const rolePermissionsMax = 100
/** Permissions of a role with all that it inherits: each is looked at with every decision of who has it. */
export const roleClosureMax = 1000
/** Roles that one role inherits directly. */
export const roleInheritsMax = 20
/** Steps from a role to the last that it inherits. */
export const roleDepthMax = 10
/** Roles of one identity. */
export const rolesOfIdentityMax = 20

/** A built-in role by its name, one of the tenant's own by its id. */
export const RoleKey = z.union([BuiltInRole, idSchema('role')])
export type RoleKey = z.infer<typeof RoleKey>

/** What a role may do, as a capability entry, and under which circumstances. A role has no quota: a grant has. */
export const RolePermission = z.strictObject({
  permission: CapabilityEntry.refine((entry) => entry.includes(':'), 'is a label, which permits nothing'),
  conditions: GrantConditions.omit({ quota: true }).optional(),
})
export type RolePermission = z.output<typeof RolePermission>

/** A permission with the role that it comes from. */
const InheritedPermission = RolePermission.extend({ from: RoleKey })

export const Role = z.object({
  /** The name of a built-in role; of others an id. */
  roleId: RoleKey,
  name: z.string(),
  description: z.string(),
  builtIn: z.boolean(),
  permissions: z.array(RolePermission),
  inherits: z.array(RoleKey),
  /** Null of what was always there. */
  createdBy: z.string().nullable(),
  createdAt: Instant.nullable(),
  updatedAt: Instant.nullable(),
  /** Raised by each change; sent as `ETag` where one role is shown. */
  revision: z.int(),
})
export type Role = z.infer<typeof Role>

/** A role with what it has by inheritance beside its own. */
export const WholeRole = Role.extend({ inheritedPermissions: z.array(InheritedPermission) })
export type WholeRole = z.infer<typeof WholeRole>

const RoleName = Name.refine((name) => !name.startsWith(`${idPrefixes.role}_`), 'reads like an id')
const Permissions = z.array(RolePermission).max(rolePermissionsMax)
/** Each by id, or by name. */
const Inherits = z.array(Name).max(roleInheritsMax)

export const NewRole = z.strictObject({
  name: RoleName,
  description: FreeText.default(''),
  permissions: Permissions.default([]),
  /** Roles whose permissions it has too. */
  inherits: Inherits.default([]),
})
export type NewRole = z.output<typeof NewRole>

const RoleChange = z
  .strictObject({
    name: RoleName.optional(),
    description: FreeText.optional(),
    permissions: Permissions.optional(),
    inherits: Inherits.optional(),
  })
  .refine((body) => Object.keys(body).length > 0, 'give at least one field to change')
export type RoleChange = z.output<typeof RoleChange>

/** Who has a role, and when. */
export const RoleAssignment = z.object({
  roleId: RoleKey,
  identityId: IdentityIdSchema,
  /** Null: since it was assigned. */
  validFrom: Instant.nullable(),
  /** Null: until it is taken away. */
  validUntil: Instant.nullable(),
  grantedBy: z.string(),
  grantedAt: Instant,
  /** Whether it counts now. */
  inForce: z.boolean(),
})
export type RoleAssignment = z.infer<typeof RoleAssignment>

const RolePath = z.strictObject({ roleId: RoleKey })
const AssignmentPath = z.strictObject({ roleId: RoleKey, identityId: IdentityIdSchema })
const exampleRole = { roleId: 'rol_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
const exampleIdentity = { identityId: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
const changeProblems = [
  'forbidden',
  'not-found',
  'capability-exceeded',
  'already-exists',
  'quota-spent',
  'wrong-state',
] as const

export const listRoles = operation({
  id: 'listRoles',
  method: 'GET',
  path: '/api/v1/roles',
  action: 'roles:read',
  summary: 'Lists the roles: the built-in ones first, then the tenant’s own by name.',
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ roles: z.array(Role), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})

export const createRole = operation({
  id: 'createRole',
  method: 'POST',
  path: '/api/v1/roles',
  action: 'roles:create',
  summary: 'Makes a role of permissions that the caller holds, and of roles that it inherits.',
  body: NewRole,
  status: 201,
  response: Role,
  hasRevision: true,
  problems: changeProblems,
  example: {
    body: {
      name: 'Archivist',
      description: 'Reads what is kept, during the day.',
      permissions: [
        { permission: 'file/archive/*:read', conditions: { timeWindow: { from: '08:00', to: '18:00' } } },
        { permission: 'file/archive/index:write' },
      ],
      inherits: ['member'],
    },
  },
})

export const getRole = operation({
  id: 'getRole',
  method: 'GET',
  path: '/api/v1/roles/:roleId',
  action: 'roles:read',
  summary: 'Shows a role, with what it has by inheritance.',
  params: RolePath,
  status: 200,
  response: WholeRole,
  hasRevision: true,
  problems: ['forbidden', 'not-found'],
  example: { params: exampleRole },
})

export const replaceRole = operation({
  id: 'replaceRole',
  method: 'PUT',
  path: '/api/v1/roles/:roleId',
  action: 'roles:update',
  summary:
    'Replaces a role whole, at once for all who have it. Whoever does it holds what it had and what it will have.',
  params: RolePath,
  body: NewRole,
  status: 200,
  response: Role,
  hasRevision: true,
  problems: changeProblems,
  example: {
    params: exampleRole,
    body: { name: 'Archivist', permissions: [{ permission: 'file/archive/*:read' }], inherits: ['member'] },
  },
})

export const updateRole = operation({
  id: 'updateRole',
  method: 'PATCH',
  path: '/api/v1/roles/:roleId',
  action: 'roles:update',
  summary: 'Changes what is given of a role; permissions and inherited roles are replaced whole.',
  params: RolePath,
  body: RoleChange,
  status: 200,
  response: Role,
  hasRevision: true,
  problems: changeProblems,
  example: { params: exampleRole, body: { description: 'Reads and files what is kept.' } },
})

export const deleteRole = operation({
  id: 'deleteRole',
  method: 'DELETE',
  path: '/api/v1/roles/:roleId',
  action: 'roles:delete',
  summary:
    'Deletes a role. One that somebody has, or that a role inherits, only with `force`, which takes it away there.',
  params: RolePath,
  query: z.strictObject({ force: z.enum(['true', 'false']).default('false') }),
  status: 200,
  response: z.object({
    roleId: idSchema('role'),
    /** The last. */
    revision: z.int(),
    /** From how many identities it was taken. */
    takenFrom: z.int(),
    /** Roles that inherited it. */
    takenOutOf: z.array(idSchema('role')),
  }),
  hasRevision: true,
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'wrong-state'],
  example: { params: exampleRole, query: { force: 'true' } },
})

export const listRoleAssignments = operation({
  id: 'listRoleAssignments',
  method: 'GET',
  path: '/api/v1/roles/:roleId/assignments',
  action: 'roles:read',
  summary: 'Lists who has a role, or will have it, in the order of their ids.',
  params: RolePath,
  query: z.strictObject(pageQuery),
  status: 200,
  response: z.object({ assignments: z.array(RoleAssignment), nextCursor }),
  problems: ['forbidden', 'not-found'],
  example: { params: exampleRole, query: { limit: 20 } },
})

export const assignRole = operation({
  id: 'assignRole',
  method: 'PUT',
  path: '/api/v1/roles/:roleId/assignments/:identityId',
  action: 'roles:assign',
  summary: 'Gives a user, service or agent a role, for a time if wanted. Again, it changes the time.',
  params: AssignmentPath,
  body: z
    .strictObject({
      /** What is past already means at once. */
      validFrom: Instant.nullable().optional(),
      validUntil: Instant.nullable().optional(),
    })
    .default({}),
  status: 200,
  response: RoleAssignment,
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'quota-spent', 'wrong-state'],
  example: {
    params: { ...exampleRole, ...exampleIdentity },
    body: { validUntil: '2999-12-31T18:00:00.000Z' },
  },
})

export const unassignRole = operation({
  id: 'unassignRole',
  method: 'DELETE',
  path: '/api/v1/roles/:roleId/assignments/:identityId',
  action: 'roles:unassign',
  summary: 'Takes a role away, at once on every instance. The last administrator keeps theirs.',
  params: AssignmentPath,
  status: 200,
  response: RoleAssignment,
  problems: ['forbidden', 'not-found', 'capability-exceeded', 'wrong-state'],
  example: { params: { ...exampleRole, ...exampleIdentity } },
})

export const listIdentityRoles = operation({
  id: 'listIdentityRoles',
  method: 'GET',
  path: '/api/v1/identities/:identityId/roles',
  action: 'identities:read',
  summary: 'Lists the roles that an identity has, or will have. Everybody may ask about itself.',
  params: z.strictObject({ identityId: IdentityIdSchema }),
  status: 200,
  response: z.object({
    identityId: IdentityIdSchema,
    roles: z.array(RoleAssignment.omit({ identityId: true }).extend({ name: z.string(), builtIn: z.boolean() })),
  }),
  problems: ['forbidden', 'not-found'],
  example: { params: exampleIdentity },
})
