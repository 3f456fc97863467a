import type { ProblemCode } from '@agent-iam/contract/problems'
import { asCaller, type Caller, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { callerOfAccessToken } from './service.ts'

/** What makes a token worth nothing here; whatever else goes wrong is no statement about it. */
const meansInvalid: ReadonlySet<ProblemCode> = new Set(['invalid-token', 'token-revoked', 'identity-inactive'])

/**
 * Whose a token is that someone shows us; undefined when it is not valid in the caller's tenant, for whatever reason. It
 * comes without a proof, so one that is bound to a key is not valid in the hands of who shows it.
 */
export async function findPresented(ctx: Context, token: string): Promise<(Caller & { kind: 'identity' }) | undefined> {
  const { tenantId, address } = ctx.caller
  try {
    const shown = await callerOfAccessToken(asCaller(ctx, { kind: 'anonymous', tenantId, address }), token)
    return shown.tenantId === tenantId ? shown : undefined
  } catch (error) {
    if (error instanceof Problem && meansInvalid.has(error.code)) return undefined
    throw error
  }
}
