import { registerAgent } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { createEnrolmentToken } from '@agent-iam/contract/enrolment-tokens'
import { grantAgentCapability } from '@agent-iam/contract/grants'
import { inviteUser } from '@agent-iam/contract/invitations'
import { createRateLimit } from '@agent-iam/contract/limits'
import { createPolicy } from '@agent-iam/contract/policies'
import { registerUser } from '@agent-iam/contract/registrations'
import { createRole } from '@agent-iam/contract/roles'
import { createSdkToken } from '@agent-iam/contract/sdk-tokens'
import { listSigningKeys } from '@agent-iam/contract/signing-keys'
import { importUsers } from '@agent-iam/contract/users'
import { createClient, createResource } from '@agent-iam/contract/clients'
import { createResourceType } from '@agent-iam/contract/resource-types'
import { putResource } from '@agent-iam/contract/resources'
import type { Operation } from '@agent-iam/contract/operation'
import { addServiceKey, createService, createServiceSecret } from '@agent-iam/contract/services'
import { aKey } from './agents.ts'
import { enrolPasskey } from './factors.ts'
import type { Input } from './test-api.ts'
import type { TestServer } from './test-server.ts'

/** What a tenant holds that an operation may name. */
export interface Holdings {
  readonly agentId: string
  readonly grantId: string
  readonly creationId: string
  readonly identityId: string
  readonly policyId: string
  readonly enrolmentTokenId: string
  readonly decisionId: string
  readonly userId: string
  readonly registrationId: string
  readonly invitationId: string
  readonly sessionId: string
  readonly sdkTokenId: string
  readonly serviceId: string
  readonly secretId: string
  readonly thumbprint: string
  readonly apiKeyId: string
  readonly passkeyId: string
  readonly clientId: string
  readonly resourceId: string
  readonly keyId: string
  readonly roleId: string
  readonly rateLimitId: string
  readonly tenantId: string
  readonly resourceType: string
}

/** Far from what a test sends. */
const aSecretLimit = { body: { dimension: 'resource-type', subject: 'secret', perDay: 1_000_000 } } as const

/** Gives a tenant one of each. */
export async function fill(server: TestServer, token: string): Promise<Holdings> {
  const { api } = server
  const { agentId } = await api.call(registerAgent, { body: { name: 'a secret agent' }, token })
  const { grantId } = await api.call(grantAgentCapability, {
    params: { agentId },
    body: { capability: 'secret/place:read' },
    token,
  })
  const { policyId } = await api.call(createPolicy, { ...createPolicy.example, token })
  const { rateLimitId } = await api.call(createRateLimit, { ...aSecretLimit, token })
  const { enrolmentTokenId } = await api.call(createEnrolmentToken, { body: { name: 'a secret token' }, token })
  const { decisionId } = await api.call(check, { body: { resource: 'secret/place', action: 'read' }, token })
  const { sessionId } = await api.call(validate, { token })
  const { sdkTokenId } = await api.call(createSdkToken, { body: { device: 'a secret laptop' }, token })
  const { users } = await api.call(importUsers, { ...importUsers.example, token })
  const userId = users[0]?.userId ?? 'usr_'
  const resourceType = await fillResources(api, token)
  const { roleId } = await api.call(createRole, { ...createRole.example, token })
  const services = { ...(await fillServices(api, token)), ...(await fillClients(api, token)) }
  const { registrationId } = await api.call(registerUser, registerUser.example)
  const { invitationId } = await api.call(inviteUser, { ...inviteUser.example, token })
  const { signingKeys } = await api.call(listSigningKeys, { token })
  const keyId = signingKeys[0]?.keyId ?? 'key_'
  const { passkeyId } = await enrolPasskey(server, (await server.user()).token)
  const accounts = {
    identityId: agentId,
    grantId,
    registrationId,
    invitationId,
    passkeyId,
    keyId,
    roleId,
    tenantId: server.app.defaultTenantId,
    resourceType,
    creationId: await createByKey(api, token),
  }
  return {
    ...services,
    ...accounts,
    agentId,
    rateLimitId,
    policyId,
    enrolmentTokenId,
    decisionId,
    sessionId,
    sdkTokenId,
    userId,
  }
}

async function fillServices(api: TestServer['api'], token: string) {
  const { serviceId } = await api.call(createService, { body: { name: 'a secret service' }, token })
  const params = { serviceId }
  const { secretId } = await api.call(createServiceSecret, { params, token })
  const { thumbprint } = await api.call(addServiceKey, { ...addServiceKey.example, params, token })
  const { apiKeyId } = await api.call(createApiKey, { body: { name: 'a secret key' }, token })
  return { serviceId, secretId, thumbprint, apiKeyId }
}

async function fillClients(api: TestServer['api'], token: string) {
  const { clientId } = await api.call(createClient, { ...createClient.example, token })
  const { resourceId } = await api.call(createResource, { ...createResource.example, token })
  return { clientId, resourceId }
}

/** What an API key of the person registered. */
async function createByKey(api: TestServer['api'], token: string) {
  const { key } = await api.call(createApiKey, { body: { name: 'a secret key of a program' }, token })
  const { publicKey } = aKey()
  return (await api.call(registerAgent, { body: { name: 'a secret agent of a program', publicKey }, token: key }))
    .agentId
}

/** A type whose name no refusal tells from another’s, and the resource of the examples. */
async function fillResources(api: TestServer['api'], token: string) {
  const { name } = await api.call(createResourceType, { body: { name: 'f'.repeat(32) }, token })
  await api.call(createResourceType, { ...createResourceType.example, token })
  await api.call(putResource, { ...putResource.example, token })
  return name
}

/** Ids that nobody has. */
export const absentHoldings: Holdings = {
  agentId: `agt_${'0'.repeat(32)}`,
  grantId: `gnt_${'0'.repeat(32)}`,
  creationId: `agt_${'0'.repeat(32)}`,
  identityId: `agt_${'0'.repeat(32)}`,
  policyId: `pol_${'0'.repeat(32)}`,
  rateLimitId: `lim_${'0'.repeat(32)}`,
  enrolmentTokenId: `ent_${'0'.repeat(32)}`,
  decisionId: `dec_${'0'.repeat(32)}`,
  userId: `usr_${'0'.repeat(32)}`,
  registrationId: `reg_${'0'.repeat(32)}`,
  invitationId: `inv_${'0'.repeat(32)}`,
  sessionId: `ses_${'0'.repeat(32)}`,
  sdkTokenId: `sdk_${'0'.repeat(32)}`,
  serviceId: `svc_${'0'.repeat(32)}`,
  secretId: `sec_${'0'.repeat(32)}`,
  thumbprint: '0'.repeat(43),
  apiKeyId: `apk_${'0'.repeat(32)}`,
  clientId: `cli_${'0'.repeat(32)}`,
  resourceId: `rsc_${'0'.repeat(32)}`,
  passkeyId: `psk_${'0'.repeat(32)}`,
  keyId: `key_${'0'.repeat(32)}`,
  roleId: `rol_${'0'.repeat(32)}`,
  tenantId: `ten_${'0'.repeat(32)}`,
  resourceType: '0'.repeat(32),
}

/** The example with ids of things that are there. */
export function filled({ example }: Operation, holdings: Holdings): Input {
  if (example.params === undefined) return example
  const names = Object.keys(Object(example.params))
  const params = Object.fromEntries(
    Object.entries({ ...Object(example.params), ...holdings }).filter(([name]) => names.includes(name)),
  )
  return { ...example, params }
}
