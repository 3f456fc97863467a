import * as clients from '@agent-iam/contract/clients'
import type { TestServer } from './test-server.ts'

/** Each operation on OAuth clients and resource servers once, as an administrator. */
export async function callEveryClientOperation({ api }: TestServer, token: string): Promise<void> {
  const { clientId } = await api.call(clients.createClient, { ...clients.createClient.example, token })
  const params = { clientId }
  await api.call(clients.listClients, { ...clients.listClients.example, token })
  await api.call(clients.getClient, { params, token })
  await api.call(clients.updateClient, { ...clients.updateClient.example, params, token })
  await api.call(clients.rotateClientSecret, { params, token })
  await api.call(clients.deleteClient, { params, token })
  const { resourceId } = await api.call(clients.createResource, { ...clients.createResource.example, token })
  await api.call(clients.listResources, { ...clients.listResources.example, token })
  await api.call(clients.deleteResource, { params: { resourceId }, token })
}
