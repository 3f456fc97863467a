import * as roles from '@agent-iam/contract/roles'
import type { TestServer } from './test-server.ts'

/** Every operation on roles once, as an administrator would. */
export async function callEveryRoleOperation(server: TestServer, token: string): Promise<void> {
  const { api } = server
  const { roleId } = await api.call(roles.createRole, { ...roles.createRole.example, token })
  const params = { roleId }
  await api.call(roles.listRoles, { ...roles.listRoles.example, token })
  await api.call(roles.getRole, { params, token })
  await api.call(roles.replaceRole, { ...roles.replaceRole.example, params, token })
  await api.call(roles.updateRole, { ...roles.updateRole.example, params, token })
  const { id: identityId } = await server.user()
  const assigned = { params: { roleId, identityId }, token }
  await api.call(roles.assignRole, { ...roles.assignRole.example, ...assigned })
  await api.call(roles.listRoleAssignments, { ...roles.listRoleAssignments.example, params, token })
  await api.call(roles.listIdentityRoles, { params: { identityId }, token })
  await api.call(roles.unassignRole, assigned)
  await api.call(roles.deleteRole, { ...roles.deleteRole.example, params, token })
}
