import type { IncomingMessage } from 'node:http'
import { Provider, type KoaContextWithOIDC } from 'oidc-provider'
import type { Context } from '../../platform/context.ts'

/** Our context of each request that the provider is at; the provider itself knows only the raw request. */
const contexts = new WeakMap<IncomingMessage, Context>()

export function bindContext(request: IncomingMessage, ctx: Context): void {
  contexts.set(request, ctx)
}

/** Our context of the request that the provider has before it. */
export function contextOf(koa: { readonly req: IncomingMessage }): Context {
  const ctx = contexts.get(koa.req)
  if (!ctx) throw new Error('the provider was reached by another way than ours')
  return ctx
}

/** The same where the provider gives no request: the one that is under way, if any. */
export function currentContext(otherwise: Context): Context {
  const koa = Provider.ctx
  return (koa && contexts.get(koa.req)) ?? otherwise
}

/** Whether the provider took a request as its own: what lies outside its routes has no context of its. */
export function isOidc(koa: object): koa is KoaContextWithOIDC {
  return 'oidc' in koa
}
