import * as types from '@agent-iam/contract/resource-types'
import * as resources from '@agent-iam/contract/resources'
import * as thresholds from '@agent-iam/contract/trust-thresholds'
import type { TestServer } from './test-server.ts'

/** Every operation on resources, their types, and the trust that they ask for. */
export async function callEveryResourceOperation({ api }: TestServer, token: string): Promise<void> {
  await api.call(types.createResourceType, { ...types.createResourceType.example, token })
  await api.call(types.listResourceTypes, { ...types.listResourceTypes.example, token })
  await api.call(types.getResourceType, { ...types.getResourceType.example, token })
  await api.call(types.updateResourceType, { ...types.updateResourceType.example, token })
  await api.call(resources.putResource, { ...resources.putResource.example, token })
  await api.call(resources.putResources, { ...resources.putResources.example, token })
  await api.call(resources.listRegisteredResources, { ...resources.listRegisteredResources.example, token })
  await api.call(resources.getResource, { ...resources.getResource.example, token })
  await api.call(resources.removeResource, { ...resources.removeResource.example, token })
  await api.call(types.createResourceType, { body: { name: 'passing' }, token })
  await api.call(types.deleteResourceType, { params: { resourceType: 'passing' }, token })
  await api.call(types.getSchema, { ...types.getSchema.example, token })
  await api.call(thresholds.setTrustThresholds, { ...thresholds.setTrustThresholds.example, token })
  await api.call(thresholds.getTrustThresholds, { token })
}
