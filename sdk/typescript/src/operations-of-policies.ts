import * as checks from '@agent-iam/contract/policy-checks'
import * as policyOperations from '@agent-iam/contract/policies'
import * as versions from '@agent-iam/contract/policy-versions'
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
      activate: bind(versions.activatePolicy),
      retire: bind(versions.retirePolicy),
      rollback: bind(versions.rollbackPolicy),
      listVersions: bind(versions.listPolicyVersions),
      getVersion: bind(versions.getPolicyVersion),
      diff: bind(versions.diffPolicy),
    },
  }
}
