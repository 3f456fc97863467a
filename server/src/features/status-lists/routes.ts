import * as contract from '@agent-iam/contract/status-lists'
import type { TenantId } from '@agent-iam/contract/ids'
import { asSystem, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { route } from '../../platform/route.ts'
import type { StatusListPublisher } from './publisher.ts'
import { readStatusListUris } from './service.ts'

export const statusListRoutes = (publisher: StatusListPublisher) => [
  route(contract.getStatusList, (ctx, { params }) => publisher.publish(inDefault(ctx), params.listId)),
  route(contract.getTenantStatusList, (ctx, { params }) =>
    publisher.publish(inTenant(ctx, params.tenantId), params.listId),
  ),
  route(contract.listStatusLists, async (ctx) => ({ status_lists: await readStatusListUris(inDefault(ctx)) })),
  route(contract.listTenantStatusLists, async (ctx, { params }) => ({
    status_lists: await readStatusListUris(inTenant(ctx, params.tenantId)),
  })),
]

/** Whoever asks: a list is for everyone who verifies the tenant's tokens. */
function inTenant(ctx: Context, tenantId: TenantId): Context {
  return asSystem(ctx, tenantId)
}

function inDefault(ctx: Context): Context {
  const tenantId = ctx.keys.tenantOf(ctx.keys.publicUrl)
  if (!tenantId) throw new Problem('not-found', 'there is no default tenant')
  return inTenant(ctx, tenantId)
}
