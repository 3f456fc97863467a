import * as contract from '@agent-iam/contract/grants'
import { route } from '../../platform/route.ts'
import { toWire, type GrantsView, type WantedGrant } from './model.ts'
import { permissionToWire } from './permission.ts'
import { grantCapability, listGrants, listPermissions, pageCatalogue, revokeCapability } from './service.ts'

export const grantRoutes = [
  route(contract.listAgentCapabilities, async (ctx, { params: { agentId } }) => ({
    agentId,
    ...listToWire(await listGrants(ctx, agentId)),
  })),
  route(contract.grantAgentCapability, async (ctx, { params, body }) =>
    toWire(await grantCapability(ctx, params.agentId, readWanted(body))),
  ),
  route(contract.revokeAgentCapability, async (ctx, { params }) =>
    toWire(await revokeCapability(ctx, params.agentId, params.grantId)),
  ),
  route(contract.listIdentityCapabilities, async (ctx, { params: { identityId } }) => ({
    identityId,
    ...listToWire(await listGrants(ctx, identityId)),
  })),
  route(contract.grantIdentityCapability, async (ctx, { params, body }) =>
    toWire(await grantCapability(ctx, params.identityId, readWanted(body))),
  ),
  route(contract.revokeIdentityCapability, async (ctx, { params }) =>
    toWire(await revokeCapability(ctx, params.identityId, params.grantId)),
  ),
  route(contract.getCapabilityCatalogue, async (ctx, { query }) => {
    const { rows, nextCursor } = await pageCatalogue(ctx, query)
    return { resourceTypes: rows, nextCursor }
  }),
  route(contract.listPermissions, async (ctx, { query: { agentId, ...page } }) => {
    const { identityId, permissions, ...view } = await listPermissions(ctx, agentId, page)
    return { ...view, agentId: identityId, permissions: permissions.map(permissionToWire) }
  }),
]

function listToWire({ grants, labels }: GrantsView) {
  return { capabilities: [...grants.map(({ grant }) => grant.entry), ...labels], grants: grants.map(toWire) }
}

function readWanted({ capability, conditions, validFrom, expiresAt }: contract.NewGrant): WantedGrant {
  return {
    entry: capability,
    // Conditions that name nothing are none.
    conditions: conditions && Object.values(conditions).some((each) => each !== undefined) ? conditions : undefined,
    validFrom: validFrom === undefined ? undefined : new Date(validFrom),
    expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
  }
}
