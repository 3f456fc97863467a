import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import { Problem } from '../platform/problem.ts'

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Refuses requests for a host that we are not: a page of another site that had its name point here (DNS rebinding) would
 * otherwise reach a server on the loopback address with the browser's help. Probes of health ask by address.
 */
export function hostGuard(publicUrl: string, isLoopback: boolean): onRequestHookHandler {
  return (request, _reply, done) => {
    const { host: ours } = new URL(publicUrl)
    const isOurs = request.headers.host === ours || (isLoopback && loopbackNames.has(hostname(request)))
    if (isOurs || request.url.startsWith('/health')) done()
    else done(new Problem('foreign-host', `this server answers for ${ours}`))
  }
}

function hostname(request: FastifyRequest): string {
  return request.headers.host?.replace(/:\d+$/, '') ?? ''
}
