import * as contract from '@agent-iam/contract/simulation'
import { route, type Route } from '../../platform/route.ts'
import {
  getShadow,
  listUnused,
  startShadow,
  stopShadow,
  type Replayed,
  type RightUse,
  type Shadow,
  type Simulator,
  type StoredShadow,
} from './service.ts'

export function simulationRoutes({ simulator, shadow }: { simulator: Simulator; shadow: Shadow }): Route[] {
  return [
    route(contract.simulatePolicies, async (ctx, { body }) => {
      const { examined, notExamined, nextCursor } = await simulator.simulate(ctx, body)
      return {
        examined: examined.length,
        wouldChange: examined.filter(({ live, would }) => live.decision !== would.decision).map(toSimulated),
        changedSince: examined.filter(({ logged, live }) => logged.decision !== live.decision).length,
        notExamined: [...notExamined],
        unknown: [...new Set(examined.flatMap(({ unknown }) => unknown))],
        nextCursor,
      }
    }),
    route(contract.startShadow, async (ctx, { params }) => toShadow(await startShadow(ctx, params.policyId))),
    route(contract.getShadow, async (ctx, { params }) => toShadow(await getShadow(ctx, shadow, params.policyId))),
    route(contract.stopShadow, async (ctx, { params }) => toShadow(await stopShadow(ctx, params.policyId))),
    route(contract.listUnused, async (ctx, { query }) => {
      const { identities, nextCursor, since, progress } = await listUnused(ctx, query)
      return {
        since: since.toISOString(),
        until: progress.at?.toISOString() ?? null,
        isComplete: progress.isComplete,
        identities: identities.map(({ rights, enough, ...identity }) => ({
          ...identity,
          rights: rights.map(toRightUse),
          enough: [...enough],
        })),
        nextCursor,
      }
    }),
  ]
}

function toSimulated({ logged, identityId, live, would }: Replayed): contract.SimulatedDecision {
  const { id: decisionId, at, action, resource, decision: recorded } = logged
  return {
    decisionId,
    at: at.toISOString(),
    identityId,
    action,
    resource,
    recorded,
    live: live.decision,
    would: would.decision,
    reasons: would.reasons.map((reason) => ({ ...reason })),
  }
}

function toShadow(shadow: StoredShadow): contract.PolicyShadow {
  const { policyId, name, version, startedAt, startedBy, examples } = shadow
  const { evaluated, allowToDeny, denyToAllow, erred, dropped } = shadow
  return {
    policyId,
    name,
    version,
    startedAt: startedAt.toISOString(),
    startedBy,
    evaluated,
    allowToDeny,
    denyToAllow,
    erred,
    dropped,
    examples: examples.map(({ at, ...example }) => ({ ...example, at: at.toISOString() })),
  }
}

function toRightUse({ grantId, conditions, since, lastUsedAt, enough, ...right }: RightUse): contract.RightUse {
  return {
    ...right,
    ...(grantId && { grantId }),
    ...(conditions && { conditions }),
    since: since.toISOString(),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    enough: [...enough],
  }
}
