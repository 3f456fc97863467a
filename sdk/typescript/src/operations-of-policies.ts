import * as checks from '@agent-iam/contract/policy-checks'
import * as files from '@agent-iam/contract/policy-files'
import * as policyOperations from '@agent-iam/contract/policies'
import * as templates from '@agent-iam/contract/policy-templates'
import * as versions from '@agent-iam/contract/policy-versions'
import * as simulation from '@agent-iam/contract/simulation'
import type { Bind } from './call.ts'

/** What a tenant decides by. */
export function policies(bind: Bind) {
  return {
    policies: {
      create: bind(policyOperations.createPolicy),
      list: bind(policyOperations.listPolicies),
      get: bind(policyOperations.getPolicy),
      update: bind(policyOperations.updatePolicy),
      delete: bind(policyOperations.deletePolicy),
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
  }
}
