import { idSchema } from '@agent-iam/contract/ids'
import * as statusLists from '@agent-iam/contract/status-lists'
import { allot } from './status-lists.ts'
import type { TestServer } from './test-server.ts'

/** Every operation about status lists, as whoever verifies tokens would call it. */
export async function callEveryStatusListOperation(server: TestServer): Promise<void> {
  const { api, app } = server
  const { uri } = await allot(server, app.system.newId('session'))
  const listId = idSchema('statusList').parse(uri.slice(uri.lastIndexOf('/') + 1))
  const params = { tenantId: app.defaultTenantId }
  await api.call(statusLists.getStatusList, { params: { listId } })
  await api.call(statusLists.getTenantStatusList, { params: { ...params, listId } })
  await api.call(statusLists.listStatusLists)
  await api.call(statusLists.listTenantStatusLists, { params })
}
