import * as members from '@agent-iam/contract/members'
import * as contract from '@agent-iam/contract/tenants'
import type { Context } from '../../platform/context.ts'
import { route, type Route } from '../../platform/route.ts'
import type { Tenant, TenantView } from '../tenants/model.ts'
import type { FirstInvitation } from './operators.ts'
import * as service from './service.ts'

interface TenancyRoutes {
  /** Whether mail is delivered: then the link to a new tenant goes to nobody but who is invited. */
  readonly isMailDelivered: boolean
}

export function tenancyRoutes({ isMailDelivered }: TenancyRoutes): Route[] {
  return [...invitingRoutes(isMailDelivered), ...operatorRoutes, ...ownRoutes]
}

function invitingRoutes(isMailDelivered: boolean): Route[] {
  return [
    route(contract.createTenant, async (ctx, { body }) => {
      const { invitation, ...view } = await service.createTenant(ctx, body)
      return { ...viewToWire(view), ...invitationToWire(invitation, isMailDelivered) }
    }),
    route(contract.inviteTenantAdministrator, async (ctx, { params, body }) =>
      invitationToWire(await service.inviteAdministrator(ctx, params.tenantId, body), isMailDelivered),
    ),
  ]
}

const operatorRoutes = [
  route(contract.listTenants, async (ctx, { query }) => {
    const { rows, nextCursor } = await service.pageTenants(ctx, query)
    return { tenants: rows.map(viewToWire), nextCursor }
  }),
  route(contract.getTenant, async (ctx, { params }) => viewToWire(await service.getTenantView(ctx, params.tenantId))),
  route(contract.updateTenant, async (ctx, { params, body }) =>
    viewToWire(await service.renameTenant(ctx, params.tenantId, body.name)),
  ),
  route(contract.setTenantLimits, async (ctx, { params, body }) =>
    viewToWire(await service.setTenantLimits(ctx, params.tenantId, body)),
  ),
  route(contract.suspendTenant, async (ctx, { params, body }) =>
    viewToWire(await service.suspendTenant(ctx, params.tenantId, body.reason)),
  ),
  route(contract.reactivateTenant, async (ctx, { params, body }) =>
    viewToWire(await service.reactivateTenant(ctx, params.tenantId, body.reason)),
  ),
]

const ownRoutes = [
  route(contract.getOwnTenant, async (ctx) => ownToWire(ctx, await service.getOwnTenant(ctx))),
  route(contract.updateOwnTenant, async (ctx, { body: { name, settings } }) =>
    ownToWire(ctx, await service.updateOwnTenant(ctx, { name, ...settings })),
  ),
  route(contract.getTenantUsage, async (ctx) => service.getUsage(ctx)),
  route(members.getDashboardStats, async (ctx) => {
    const { sessions, registrations, invitations, ...stats } = await service.getStats(ctx)
    return {
      ...stats,
      liveSessions: sessions,
      pendingRegistrations: registrations,
      pendingInvitations: invitations,
    }
  }),
]

function viewToWire({ tenant, limits, usage }: TenantView): contract.Tenant {
  const { id, slug, name, status, createdAt, suspendedAt } = tenant
  return {
    tenantId: id,
    slug,
    name,
    status,
    limits,
    usage,
    createdAt: createdAt.toISOString(),
    suspendedAt: suspendedAt?.toISOString() ?? null,
  }
}

function invitationToWire({ email, expiresAt, link }: FirstInvitation, mailed: boolean) {
  return {
    administrator: { email, expiresAt: expiresAt.toISOString(), mailed },
    invitationLink: mailed ? null : link,
  }
}

function ownToWire(ctx: Context, { id, slug, name, status, settings, createdAt }: Tenant): contract.OwnTenant {
  return {
    tenantId: id,
    slug,
    name,
    status,
    issuer: ctx.keys.issuerOf(id),
    settings: { defaultAgentTtlSeconds: settings.defaultAgentTtlSeconds ?? null },
    createdAt: createdAt.toISOString(),
  }
}
