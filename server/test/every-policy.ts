import * as checks from '@agent-iam/contract/policy-checks'
import * as files from '@agent-iam/contract/policy-files'
import * as policies from '@agent-iam/contract/policies'
import * as templates from '@agent-iam/contract/policy-templates'
import * as versions from '@agent-iam/contract/policy-versions'
import type { TestServer } from './test-server.ts'

/** Every operation on policies once, as an administrator would. */
export async function callEveryPolicyOperation({ api }: TestServer, token: string): Promise<void> {
  await api.call(checks.validatePolicy, { ...checks.validatePolicy.example, token })
  const { policyId } = await api.call(policies.createPolicy, { ...policies.createPolicy.example, token })
  const params = { policyId }
  await api.call(policies.listPolicies, { token })
  await api.call(policies.getPolicy, { params, token })
  const body = { name: 'no writes at all', policy: 'forbid(principal, action == AgentIam::Action::"write", resource);' }
  await api.call(policies.updatePolicy, { params, body, token })
  await api.call(versions.diffPolicy, { params, token })
  await api.call(versions.rollbackPolicy, { params, body: { version: 1 }, token })
  await api.call(versions.retirePolicy, { params, token })
  await api.call(versions.activatePolicy, { params, token })
  await api.call(versions.listPolicyVersions, { params, token })
  await api.call(versions.getPolicyVersion, { params: { policyId, version: 1 }, token })
  await api.call(policies.deletePolicy, { params, token })
  await api.call(templates.listPolicyTemplates, { token })
  await api.call(templates.createPolicyFromTemplate, { ...templates.createPolicyFromTemplate.example, token })
  await api.call(templates.setPolicyPack, { ...templates.setPolicyPack.example, token })
  await api.call(templates.listPolicyPacks, { token })
  await api.call(files.importPolicies, { ...files.importPolicies.example, token })
  await api.call(files.exportPolicies, { token })
}
