import * as contract from '@agent-iam/contract/system'
import { setupPage } from '@agent-iam/contract/setup'
import type { Health } from '@agent-iam/contract/system'
import { z } from 'zod'
import type { Context } from '../platform/context.ts'
import { Problem } from '../platform/problem.ts'
import { route, type Route } from '../platform/route.ts'
import type { Telemetry } from '../platform/telemetry.ts'
import { openApiDocument } from './openapi.ts'
import { renderPage } from './pages/pages.ts'

/** More events than this waiting to be durable, and requests are better sent to another instance. */
const auditLagMax = 5_000

export interface SystemState {
  readonly telemetry: Telemetry
  readonly auditLag: () => number
}

const OpenApi = z.record(z.string(), z.json())

/** What belongs to no feature: pages, health, metrics and the API's own description. */
export function systemRoutes({ telemetry, auditLag }: SystemState): Route[] {
  return [
    page(contract.homePage),
    page(contract.docsPage),
    page(setupPage),
    route(contract.openapi, (ctx) => Promise.resolve(OpenApi.parse(openApiDocument(ctx.keys.publicUrl)))),
    route(contract.metrics, () => telemetry.exposition()),
    route(contract.healthLive, () => Promise.resolve({ status: 'ok', checks: {} })),
    route(contract.healthReady, (ctx) => readiness(ctx, auditLag())),
    // The server listens only once migrations and first start are done, so an answer is the proof.
    route(contract.healthStartup, () => Promise.resolve({ status: 'ok', checks: {} })),
  ]
}

/** Throws `unavailable` when requests had better not come; what merely works less well is told. */
async function readiness(ctx: Context, lag: number): Promise<Health> {
  if (!(await ctx.db.isReachable())) throw new Problem('unavailable', 'the database does not answer')
  if (lag > auditLagMax) throw new Problem('unavailable', `${lag} events wait to become durable`)
  const sharedState = await ctx.sharedState.health()
  const { fsync, synchronousCommit, standbys, version } = await ctx.db.durability()
  const isDurable = fsync === 'on' && synchronousCommit !== 'off'
  return {
    status: sharedState.status === 'ok' && isDurable ? 'ok' : 'degraded',
    checks: {
      database: {
        status: isDurable ? 'ok' : 'degraded',
        detail: `PostgreSQL ${version}, fsync ${fsync}, synchronous_commit ${synchronousCommit}, standbys ${standbys || 'none'}`,
      },
      sharedState,
      auditLog: { status: 'ok', detail: `${lag} events wait to become durable` },
    },
  }
}

function page(operation: typeof contract.homePage): Route {
  return route(operation, (ctx) => Promise.resolve(renderPage(operation.id, ctx.keys.publicUrl).html))
}
