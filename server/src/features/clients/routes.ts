import * as contract from '@agent-iam/contract/clients'
import { route } from '../../platform/route.ts'
import { resourceToWire, toWire } from './model.ts'
import {
  createClient,
  createResource,
  getClient,
  pageClients,
  pageResources,
  removeClient,
  removeResource,
  rotateClientSecret,
  updateClient,
} from './service.ts'

export const clientRoutes = [
  route(contract.createClient, async (ctx, { body }) => {
    const { client, secret } = await createClient(ctx, body)
    return { ...toWire(client), ...(secret !== undefined && { clientSecret: secret }) }
  }),
  route(contract.listClients, async (ctx, { query }) => {
    const { rows, nextCursor } = await pageClients(ctx, query)
    return { clients: rows.map(toWire), nextCursor }
  }),
  route(contract.getClient, async (ctx, { params }) => toWire(await getClient(ctx, params.clientId))),
  route(contract.updateClient, async (ctx, { params, body }) => toWire(await updateClient(ctx, params.clientId, body))),
  route(contract.deleteClient, async (ctx, { params: { clientId } }) => ({
    clientId,
    endedSessions: await removeClient(ctx, clientId),
  })),
  route(contract.rotateClientSecret, async (ctx, { params: { clientId } }) => ({
    clientId,
    clientSecret: await rotateClientSecret(ctx, clientId),
  })),
  route(contract.createResource, async (ctx, { body }) => resourceToWire(await createResource(ctx, body))),
  route(contract.listResources, async (ctx, { query }) => {
    const { rows, nextCursor } = await pageResources(ctx, query)
    return { resources: rows.map(resourceToWire), nextCursor }
  }),
  route(contract.deleteResource, async (ctx, { params }) =>
    resourceToWire(await removeResource(ctx, params.resourceId)),
  ),
]
