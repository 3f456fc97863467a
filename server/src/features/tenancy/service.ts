/**
 * Tenancy: the operators of the platform make tenants, limit, stop and let them go on, and see no tenant's data
 * (DESIGN D4); a tenant's administrators look after their own. What is done to a tenant stands in its log and in the
 * platform's, and is in force on every instance from the commit that did it.
 */
export {
  createTenant,
  getTenantView,
  inviteAdministrator,
  pageTenants,
  reactivateTenant,
  renameTenant,
  setTenantLimits,
  suspendTenant,
} from './operators.ts'
export { getOwnTenant, getStats, getUsage, updateOwnTenant } from './own-tenant.ts'
