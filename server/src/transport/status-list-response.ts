import type { Operation } from '@agent-iam/contract/operation'
import type { FastifyReply } from 'fastify'
import { statusListMaxAgeSeconds } from '../features/status-lists/model.ts'
import { sendTagged } from './published-response.ts'

const ids = ['getStatusList', 'getTenantStatusList', 'listStatusLists', 'listTenantStatusLists']

export function isOfStatusLists({ id }: Operation): boolean {
  return ids.includes(id)
}

/** A status list, or where the lists are: for pages of any site too (draft-ietf-oauth-status-list §8.1). */
export function sendStatusList(reply: FastifyReply, { produces }: Operation, result: unknown): FastifyReply {
  reply.header('access-control-allow-origin', '*')
  return sendTagged(reply, {
    body: typeof result === 'string' ? result : JSON.stringify(result),
    type: produces ?? 'application/json; charset=utf-8',
    maxAgeSeconds: statusListMaxAgeSeconds,
  })
}
