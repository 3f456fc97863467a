import { EventEmitter } from 'node:events'
import { platformTenantId } from '@agent-iam/contract/ids'
import type { ProblemCode } from '@agent-iam/contract/problems'
import type { errors, KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { RefusalRecorder } from '../../features/audit/refusals.ts'
import { asCaller } from '../../platform/context.ts'
import { contextOf } from './requests.ts'

/** Where the provider tells that it refused. */
const refusalEvents = [
  'authorization.error',
  'grant.error',
  'pushed_authorization_request.error',
  'device_authorization.error',
  'code_verification.error',
  'introspection.error',
  'revocation.error',
  'registration_create.error',
  'userinfo.error',
  'end_session.error',
] as const

/** An OAuth error as our log names it; undefined for what is no refusal: the device that asks again and again. */
const codes: Readonly<Record<string, ProblemCode | undefined>> = {
  authorization_pending: undefined,
  slow_down: undefined,
  // A person's no is an event of its own, and a JWT is looked at by us.
  access_denied: undefined,
  unsupported_token_type: undefined,
  invalid_client: 'invalid-credentials',
  invalid_grant: 'invalid-token',
  invalid_token: 'invalid-token',
  invalid_scope: 'insufficient-scope',
  unauthorized_client: 'forbidden',
  invalid_dpop_proof: 'invalid-proof',
  use_dpop_nonce: 'use-dpop-nonce',
}

/** Puts what the provider refuses on record before it is told; where that fails, the refusal stands all the same. */
export function recordRefusals(provider: Provider, refusals: RefusalRecorder): void {
  const refused = new WeakMap<object, string>()
  const note = (koa: KoaContextWithOIDC, error: errors.OIDCProviderError) => void refused.set(koa.req, error.message)
  for (const event of refusalEvents) EventEmitter.prototype.on.call(provider, event, note)
  provider.use(async (koa, next) => {
    await next()
    const error = refused.get(koa.req)
    if (error !== undefined) await record(koa, error, refusals)
  })
}

type Koa = Parameters<typeof contextOf>[0] & { readonly path: string }

async function record(koa: Koa, error: string, refusals: RefusalRecorder): Promise<void> {
  const code = error in codes ? codes[error] : 'invalid-request'
  if (code === undefined) return
  const ctx = contextOf(koa)
  const { requestId, log } = ctx
  const operation = operationOf(koa.path)
  log.info({ requestId, operation, code, error }, 'an OAuth request was refused')
  const stranger = { kind: 'anonymous', tenantId: platformTenantId, address: ctx.caller.address } as const
  try {
    await refusals.record(asCaller(ctx, stranger), { code, operation })
  } catch (cause) {
    log.error({ requestId, error: cause }, 'a refusal could not be recorded')
  }
}

/** The endpoint, without what it was asked for. */
function operationOf(path: string): string {
  return path.split('/').slice(1, 3).join('.')
}
