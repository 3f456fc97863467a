import { createPrivateKey } from 'node:crypto'
import * as agents from '@agent-iam/contract/agents'
import * as audit from '@agent-iam/contract/audit'
import * as auth from '@agent-iam/contract/auth'
import * as authorization from '@agent-iam/contract/authorization'
import * as enrolment from '@agent-iam/contract/enrolment-tokens'
import * as setup from '@agent-iam/contract/setup'
import * as signingKeys from '@agent-iam/contract/signing-keys'
import * as system from '@agent-iam/contract/system'
import { assertion, loginAgent, signed } from './agents.ts'
import { callEveryQuestion } from './every-question.ts'
import { callEveryBiscuitOperation } from './every-biscuit.ts'
import { callEveryCreationOperation } from './every-creation.ts'
import { callEveryDelegationOperation } from './every-delegation.ts'
import { callEveryGrantOperation } from './every-grant.ts'
import { callEveryFactorOperation } from './every-factor.ts'
import { callEveryClientOperation } from './every-client.ts'
import { callEveryPolicyOperation } from './every-policy.ts'
import { callEveryPossessionOperation } from './every-possession.ts'
import { callEveryResourceOperation } from './every-resource.ts'
import { callEveryRoleOperation } from './every-role.ts'
import { callEveryServiceOperation } from './every-service.ts'
import { callEverySimulationOperation } from './every-simulation.ts'
import { callEveryStatusListOperation } from './every-status-list.ts'
import { callEveryLimitOperation } from './every-limit.ts'
import { callEveryIdentityOperation } from './every-identity.ts'
import { callEverySessionOperation } from './every-session.ts'
import { callEveryAccountOperation } from './every-account.ts'
import { callEveryTenantOperation } from './every-tenant.ts'
import { callEveryUserOperation } from './every-user.ts'
import { email, password, type TestServer } from './test-server.ts'

/** Every operation once, each accepted: as an administrator, an enrolling machine, an agent and a stranger would. */
export async function callEveryOperation({
  server,
  setupToken,
}: {
  server: TestServer
  setupToken: string
}): Promise<void> {
  const { api } = server
  await api.call(setup.completeSetup, { body: { token: setupToken, email, password } })
  await visitPages(server)
  const { accessToken: token, refreshToken } = await api.call(auth.login, { body: { email, password } })
  await api.call(auth.refresh, { body: { refreshToken } })
  await manageAgents(server, token)
  await callEveryUserOperation(server, token)
  await enrolAndAct(server, token)
  await api.call(audit.listAuditEvents, { ...audit.listAuditEvents.example, token })
  await api.call(audit.listAuditLeaves, { ...audit.listAuditLeaves.example, token })
  await api.call(audit.listAuditDifferences, { ...audit.listAuditDifferences.example, token })
  await api.call(audit.getAuditHead, { token })
  await turnKeys(server, token)
  await api.call(auth.validate, { token })
  await api.call(auth.logout, { token })
  await callEveryAccountOperation(server)
  await callEveryTenantOperation(server, await server.admin())
  await callEveryServiceOperation(server, await server.admin())
  await callEveryClientOperation(server, await server.admin())
  await callEveryCreationOperation(server, await server.admin())
  await callEveryPossessionOperation(server, await server.admin())
  await callEveryPolicyOperation(server, await server.admin())
  await callEveryIdentityOperation(server, await server.admin())
  await callEverySessionOperation(server, await server.admin())
  await callEveryBiscuitOperation(server, await server.admin())
  await callEveryDelegationOperation(server, await server.admin())
  await callEveryGrantOperation(server, await server.admin())
  await callEveryRoleOperation(server, await server.admin())
  await callEveryQuestion(server, await server.admin())
  await callEverySimulationOperation(server, await server.admin())
  await callEveryFactorOperation(server)
  await callEveryStatusListOperation(server)
  await callEveryLimitOperation(server, await server.admin())
  await callEveryResourceOperation(server, await server.admin())
}

async function visitPages({ api, app }: TestServer): Promise<void> {
  const { homePage, docsPage, metrics, openapi, jwks, healthLive, healthReady, healthStartup, tenantJwks } = system
  await api.call(setup.setupPage)
  for (const page of [homePage, docsPage, metrics]) await api.call(page)
  for (const health of [healthLive, healthReady, healthStartup]) await api.call(health)
  await api.call(openapi)
  await api.call(jwks)
  await api.call(tenantJwks, { params: { tenantId: app.defaultTenantId } })
}

async function turnKeys({ api }: TestServer, token: string): Promise<void> {
  await api.call(signingKeys.chooseSigningAlgorithm, { body: { algorithm: 'RS256' }, token })
  await api.call(signingKeys.rotateSigningKeys, { body: { algorithm: 'EdDSA', immediately: true }, token })
  const found = (await api.call(signingKeys.listSigningKeys, { token })).signingKeys
  // Not the key that signed the token in use.
  const keyId = found.find(({ state }) => state === 'retiring')?.keyId ?? 'key_none'
  await api.call(signingKeys.revokeSigningKey, { params: { keyId }, token })
}

async function manageAgents({ api }: TestServer, token: string): Promise<void> {
  const { agentId } = await api.call(agents.registerAgent, { ...agents.registerAgent.example, token })
  const params = { agentId }
  await api.call(agents.listAgents, { ...agents.listAgents.example, token })
  await api.call(agents.getAgent, { params, token })
  await api.call(agents.updateAgent, { ...agents.updateAgent.example, params, token })
  await api.call(agents.suspendAgent, { ...agents.suspendAgent.example, params, token })
  await api.call(agents.reactivateAgent, { ...agents.reactivateAgent.example, params, token })
  await api.call(agents.setAgentTrust, { ...agents.setAgentTrust.example, params, token })
  await api.call(agents.deleteAgent, { params, token })
}

async function enrolAndAct(server: TestServer, admin: string): Promise<void> {
  const { api } = server
  const enrolled = await api.call(enrolment.createEnrolmentToken, {
    ...enrolment.createEnrolmentToken.example,
    token: admin,
  })
  await api.call(enrolment.listEnrolmentTokens, { token: admin })
  const body = { name: 'enrolled', capabilities: ['file/docs/*:read'] }
  const { agentId, privateKey = '' } = await api.call(agents.registerAgent, { body, token: enrolled.token })
  const agent = { id: agentId, name: body.name, privateKey: createPrivateKey(privateKey) }
  const { challenge } = await api.call(auth.getChallenge, { params: { agentId } })
  await api.call(auth.login, { body: signed(agent, challenge) })
  await api.call(auth.login, { body: await assertion(agent, server) })
  const { accessToken: token } = await loginAgent(server, agent)
  const { decisionId } = await api.call(authorization.check, { ...authorization.check.example, token })
  await api.call(authorization.reportResult, { ...authorization.reportResult.example, params: { decisionId }, token })
  const { enrolmentTokenId } = enrolled
  const query = { agents: 'revoke' as const }
  await api.call(enrolment.revokeEnrolmentToken, { params: { enrolmentTokenId }, query, token: admin })
}
