import { jwks, tenantJwks } from '@agent-iam/contract/system'
import { getStatusList, getTenantStatusList } from '@agent-iam/contract/status-lists'
import type { SessionId, TenantId } from '@agent-iam/contract/ids'
import {
  decodeStatusList,
  readStatusListClaims,
  statusAt,
  type StatusReference,
} from '@agent-iam/standards/status-list'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { allotStatus } from '../src/features/status-lists/service.ts'
import { addSeconds } from '../src/platform/clock.ts'
import { inTransaction } from '../src/platform/context.ts'
import type { TestServer } from './test-server.ts'

const names = ['valid', 'invalid', 'suspended', 'other'] as const

/** An entry for a session, as whoever makes a token of it asks for one. */
export async function allot(
  server: TestServer,
  sessionId: SessionId,
  { tenantId = server.app.defaultTenantId, seconds = 900 }: { tenantId?: TenantId; seconds?: number } = {},
): Promise<StatusReference> {
  const ctx = server.inTenant(tenantId)
  return inTransaction(ctx, (tx) => allotStatus(tx, sessionId, addSeconds(tx.clock.now(), seconds)))
}

/** Which operation a list's address stands for, with its parameters, and which tells the keys that sign it. */
export function operationOf(server: TestServer, uri: string) {
  const { publicUrl } = server.app.system.keys
  const [, tenantId, listId = ''] = /^(?:\/t\/([^/]+))?\/status-lists\/([^/]+)$/.exec(uri.slice(publicUrl.length)) ?? []
  return tenantId === undefined
    ? { operation: getStatusList, params: { listId }, keys: jwks }
    : { operation: getTenantStatusList, params: { tenantId, listId }, keys: tenantJwks }
}

/** What a list says, by somebody who knows only the issuer's keys. */
export async function readList(server: TestServer, uri: string) {
  const { operation, params, keys } = operationOf(server, uri)
  const token = await server.api.send(operation, { params })
  if (token.status !== 200) throw new Error(token.text)
  const { tenantId } = params
  const keySet = await server.api.send(keys, tenantId === undefined ? {} : { params: { tenantId } })
  const { payload, protectedHeader } = await jwtVerify(token.text, createLocalJWKSet(JSON.parse(keySet.text)), {
    typ: 'statuslist+jwt',
    subject: uri,
    currentDate: server.clock.now(),
  })
  const claims = readStatusListClaims(payload)
  return { list: await decodeStatusList(claims.statusList, { bytesMax: 2 ** 20 }), payload, protectedHeader }
}

export async function statusOf(server: TestServer, { uri, idx }: StatusReference) {
  return names[statusAt((await readList(server, uri)).list, idx)]
}
