import * as members from '@agent-iam/contract/members'
import * as tenants from '@agent-iam/contract/tenants'
import type { TestServer } from './test-server.ts'

/** Every operation on tenants and their members once, as an operator and an administrator would. */
export async function callEveryTenantOperation(server: TestServer, token: string): Promise<void> {
  await operate(server, await server.admin('platform'))
  const { api } = server
  await api.call(tenants.getOwnTenant, { token })
  await api.call(tenants.updateOwnTenant, { body: { name: 'Default' }, token })
  await api.call(tenants.getTenantUsage, { token })
  await api.call(members.getDashboardStats, { token })
  await api.call(members.listMembers, { ...members.listMembers.example, token })
  const { id: userId } = await server.user('viewer')
  await api.call(members.setUserRole, { params: { userId }, body: { role: 'manager' }, token })
}

async function operate({ api }: TestServer, token: string): Promise<void> {
  const { tenantId } = await api.call(tenants.createTenant, { ...tenants.createTenant.example, token })
  const params = { tenantId }
  await api.call(tenants.listTenants, { ...tenants.listTenants.example, token })
  await api.call(tenants.getTenant, { params, token })
  await api.call(tenants.updateTenant, { ...tenants.updateTenant.example, params, token })
  await api.call(tenants.setTenantLimits, { ...tenants.setTenantLimits.example, params, token })
  const { inviteTenantAdministrator } = tenants
  await api.call(inviteTenantAdministrator, { ...inviteTenantAdministrator.example, params, token })
  await api.call(tenants.suspendTenant, { ...tenants.suspendTenant.example, params, token })
  await api.call(tenants.reactivateTenant, { ...tenants.reactivateTenant.example, params, token })
}
