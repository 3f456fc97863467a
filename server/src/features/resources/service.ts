/**
 * Resources: what a tenant tells of the things that its agents ask for, so that policies can speak of more than their
 * names. What callers say of a resource never takes the place of what is registered.
 */
export { readResourceDefinitions, readResourceFacts } from './store/facts.ts'
export {
  createResourceType,
  deleteResourceType,
  getResourceType,
  pageResourceTypes,
  updateResourceType,
} from './declaring.ts'
export { getResource, pageResources, putResource, putResources, removeResource, type ResourceView } from './registry.ts'
export { getTrustThresholds, setTrustThresholds } from './thresholds.ts'
export { listTypes as readResourceTypes } from './store/types.ts'
