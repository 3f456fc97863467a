import type { onRequestHookHandler } from 'fastify'
import { Problem } from '../platform/problem.ts'

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Whether a `Host` is a name that this machine gives itself. */
export function isLoopbackName(host: string): boolean {
  return loopbackNames.has(host.toLowerCase().replace(/:\d+$/, ''))
}

/**
 * Refuses requests for a host that we are not: a page of another site that had its name point here (DNS rebinding) would
 * otherwise reach a server on the loopback address with the browser's help. Probes of health ask by address.
 */
export function hostGuard(publicUrl: string, isLoopback: boolean): onRequestHookHandler {
  const { host: ours, hostname, protocol } = new URL(publicUrl)
  // A URL leaves the default port out; a client may spell it.
  const spelt = `${hostname}:${protocol === 'https:' ? 443 : 80}`
  const names = new Set(ours === hostname ? [ours, spelt] : [ours])
  return (request, _reply, done) => {
    const host = request.headers.host?.toLowerCase() ?? ''
    const isOurs = names.has(host) || (isLoopback && isLoopbackName(host))
    if (isOurs || request.url.startsWith('/health')) done()
    else done(new Problem('foreign-host', `this server answers for ${ours}`))
  }
}
