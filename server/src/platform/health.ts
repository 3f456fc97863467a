import type { Health } from '@agent-iam/contract/system'
import type { Context } from './context.ts'
import { Problem } from './problem.ts'

/** More events than this waiting to be durable, and requests are better sent to another instance. */
const auditLagMax = 5_000

/** Throws `unavailable` when requests had better not come; what merely works less well is told. */
export async function readiness(ctx: Context, auditLag: number): Promise<Health> {
  if (!(await ctx.db.isReachable())) throw new Problem('unavailable', 'the database does not answer')
  if (auditLag > auditLagMax) throw new Problem('unavailable', `${auditLag} events wait to become durable`)
  const keys = await ctx.keys.publicJwks(ctx.caller.tenantId)
  const sharedState = await ctx.sharedState.health()
  const database = await databaseHealth(ctx)
  const isWell = sharedState.status === 'ok' && database.status === 'ok'
  return {
    status: isWell ? 'ok' : 'degraded',
    checks: {
      database,
      sharedState,
      keys: { status: 'ok', detail: `${keys.length} signing keys` },
      auditLog: { status: 'ok', detail: `${auditLag} events wait to become durable` },
    },
  }
}

async function databaseHealth(ctx: Context): Promise<{ status: 'ok' | 'degraded'; detail: string }> {
  const { fsync, synchronousCommit, standbys, version } = await ctx.db.durability()
  const isDurable = fsync === 'on' && synchronousCommit !== 'off'
  return {
    status: isDurable ? 'ok' : 'degraded',
    detail: `PostgreSQL ${version}, fsync ${fsync}, synchronous_commit ${synchronousCommit}, standbys ${standbys || 'none'}`,
  }
}
