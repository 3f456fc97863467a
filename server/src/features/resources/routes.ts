import { formatAttributeType } from '@agent-iam/contract/attribute-types'
import * as types from '@agent-iam/contract/resource-types'
import * as contract from '@agent-iam/contract/resources'
import * as thresholds from '@agent-iam/contract/trust-thresholds'
import { route } from '../../platform/route.ts'
import { attributesToWire } from './attributes.ts'
import { parseResource, resourceText, type ResourceType, type SetThresholds } from './model.ts'
import * as service from './service.ts'

const typeRoutes = [
  route(types.createResourceType, async (ctx, { body }) => typeToWire(await service.createResourceType(ctx, body))),
  route(types.listResourceTypes, async (ctx, { query }) => {
    const { rows, nextCursor } = await service.pageResourceTypes(ctx, query)
    return { resourceTypes: rows.map(typeToWire), nextCursor }
  }),
  route(types.getResourceType, async (ctx, { params }) =>
    typeToWire(await service.getResourceType(ctx, params.resourceType)),
  ),
  route(types.updateResourceType, async (ctx, { params, body, ifMatch }) =>
    typeToWire(await service.updateResourceType(ctx, params.resourceType, body, ifMatch)),
  ),
  route(types.deleteResourceType, async (ctx, { params, ifMatch }) =>
    typeToWire(await service.deleteResourceType(ctx, params.resourceType, ifMatch)),
  ),
]

const registryRoutes = [
  route(contract.putResource, async (ctx, { query, body, ifMatch }) =>
    toWire(await service.putResource(ctx, parseResource(query.resource), body, ifMatch)),
  ),
  route(contract.putResources, async (ctx, { body }) => service.putResources(ctx, body.resources)),
  route(contract.listRegisteredResources, async (ctx, { query }) => {
    const { rows, nextCursor } = await service.pageResources(ctx, query)
    return { resources: rows.map(toWire), nextCursor }
  }),
  route(contract.getResource, async (ctx, { query }) =>
    toWire(await service.getResource(ctx, parseResource(query.resource))),
  ),
  route(contract.removeResource, async (ctx, { query, ifMatch }) =>
    toWire(await service.removeResource(ctx, parseResource(query.resource), ifMatch)),
  ),
]

const thresholdRoutes = [
  route(thresholds.getTrustThresholds, async (ctx) => thresholdsToWire(await service.getTrustThresholds(ctx))),
  route(thresholds.setTrustThresholds, async (ctx, { body, ifMatch }) =>
    thresholdsToWire(await service.setTrustThresholds(ctx, body, ifMatch)),
  ),
]

export const resourceRoutes = [...typeRoutes, ...registryRoutes, ...thresholdRoutes]

function typeToWire({ name, description, attributes, actions, ...rest }: ResourceType): types.ResourceTypeDefinition {
  const declared = Object.entries(attributes).map(
    ([attribute, type]) => [attribute, { type: formatAttributeType(type), required: type.required }] as const,
  )
  return {
    name,
    description,
    attributes: Object.fromEntries(declared),
    actions: [...actions],
    revision: rest.revision,
    createdAt: rest.createdAt.toISOString(),
    updatedAt: rest.updatedAt.toISOString(),
  }
}

function toWire({ resource, inheritedLabels }: service.ResourceView): contract.Resource {
  const { type, id, owner, parent, attributes, labels, revision } = resource
  return {
    resource: resourceText(resource),
    type,
    id,
    owner: owner ?? null,
    parent: parent ? resourceText(parent) : null,
    attributes: attributesToWire(attributes),
    labels: [...labels],
    inheritedLabels: [...inheritedLabels],
    revision,
    createdAt: resource.createdAt.toISOString(),
    updatedAt: resource.updatedAt.toISOString(),
  }
}

function thresholdsToWire({ byLabel, byRisk, revision, updatedAt }: SetThresholds): thresholds.TrustThresholds {
  return { byLabel: { ...byLabel }, byRisk: { ...byRisk }, revision, updatedAt: updatedAt?.toISOString() ?? null }
}
