import * as contract from '@agent-iam/contract/biscuits'
import type { z } from 'zod'
import { route, type Route } from '../../../platform/route.ts'
import { verifyBiscuit, type Decider, type VerifiedBiscuit } from '../service.ts'

export function verifyBiscuitRoute(decider: Decider): Route {
  return route(contract.verifyBiscuit, async (ctx, { body: { resource, ...asked } }) => {
    const verified = await verifyBiscuit(ctx, decider, { ...asked, ...(resource && { resource: partsOf(resource) }) })
    return typeof verified === 'string' ? { valid: false as const, reason: verified } : toWire(verified)
  })
}

/** The id is all after the first slash. Here the platform may be asked about too: a token may be meant for it. */
function partsOf(resource: string) {
  const slash = resource.indexOf('/')
  return slash < 0 ? { type: resource, id: '' } : { type: resource.slice(0, slash), id: resource.slice(slash + 1) }
}

type Verified = Extract<z.input<typeof contract.verifyBiscuit.response>, { valid: true }>

function toWire({ read, rights, allowed, failed }: VerifiedBiscuit): Verified {
  const { facts, blocks, revocationIds, rootKey } = read
  return contract.verifyBiscuit.response.options[0].parse({
    valid: true,
    issuer: facts.issuer,
    audience: facts.audience,
    tenantId: rootKey.tenantId,
    identityId: facts.agent,
    parent: facts.parent ?? null,
    sessionId: facts.session,
    taskId: facts.task ?? null,
    rights: [...rights],
    expiresAt: facts.expiresAt.toISOString(),
    blocks,
    revocationIds: [...revocationIds],
    confirmation: facts.confirmation ?? null,
    allowed: allowed ?? null,
    failed: [...failed],
  })
}
