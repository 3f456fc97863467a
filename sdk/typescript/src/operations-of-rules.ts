import * as checks from '@agent-iam/contract/policy-checks'
import * as files from '@agent-iam/contract/policy-files'
import * as policies from '@agent-iam/contract/policies'
import * as templates from '@agent-iam/contract/policy-templates'
import * as versions from '@agent-iam/contract/policy-versions'
import * as resourceTypes from '@agent-iam/contract/resource-types'
import * as resources from '@agent-iam/contract/resources'
import * as roles from '@agent-iam/contract/roles'
import * as simulation from '@agent-iam/contract/simulation'
import * as trustThresholds from '@agent-iam/contract/trust-thresholds'
import type { Bind } from './call.ts'

/** What a tenant decides by. */
export function rules(bind: Bind) {
  return {
    policies: {
      create: bind(policies.createPolicy),
      list: bind(policies.listPolicies),
      get: bind(policies.getPolicy),
      update: bind(policies.updatePolicy),
      delete: bind(policies.deletePolicy),
      validate: bind(checks.validatePolicy),
      createFromTemplate: bind(templates.createPolicyFromTemplate),
      export: bind(files.exportPolicies),
      import: bind(files.importPolicies),
      activate: bind(versions.activatePolicy),
      retire: bind(versions.retirePolicy),
      rollback: bind(versions.rollbackPolicy),
      listVersions: bind(versions.listPolicyVersions),
      getVersion: bind(versions.getPolicyVersion),
      diff: bind(versions.diffPolicy),
      simulate: bind(simulation.simulatePolicies),
      startShadow: bind(simulation.startShadow),
      getShadow: bind(simulation.getShadow),
      stopShadow: bind(simulation.stopShadow),
    },
    policyTemplates: { list: bind(templates.listPolicyTemplates) },
    policyPacks: { list: bind(templates.listPolicyPacks), set: bind(templates.setPolicyPack) },
    roles: {
      create: bind(roles.createRole),
      list: bind(roles.listRoles),
      get: bind(roles.getRole),
      replace: bind(roles.replaceRole),
      update: bind(roles.updateRole),
      delete: bind(roles.deleteRole),
      assign: bind(roles.assignRole),
      unassign: bind(roles.unassignRole),
      listAssignments: bind(roles.listRoleAssignments),
      listOfIdentity: bind(roles.listIdentityRoles),
    },
    resourceTypes: {
      create: bind(resourceTypes.createResourceType),
      list: bind(resourceTypes.listResourceTypes),
      get: bind(resourceTypes.getResourceType),
      update: bind(resourceTypes.updateResourceType),
      delete: bind(resourceTypes.deleteResourceType),
      schema: bind(resourceTypes.getSchema),
    },
    registry: {
      put: bind(resources.putResource),
      putAll: bind(resources.putResources),
      list: bind(resources.listRegisteredResources),
      get: bind(resources.getResource),
      remove: bind(resources.removeResource),
    },
    trustThresholds: {
      get: bind(trustThresholds.getTrustThresholds),
      set: bind(trustThresholds.setTrustThresholds),
    },
  }
}
