import * as auth from '@agent-iam/contract/auth'
import * as sdk from '@agent-iam/contract/sdk-tokens'
import * as sessions from '@agent-iam/contract/sessions'
import { loginAgent, makeAgent } from './agents.ts'
import { email, password, type TestServer } from './test-server.ts'

/** Every operation on sessions and SDK tokens once, as an agent and a person would. */
export async function callEverySessionOperation(server: TestServer, admin: string): Promise<void> {
  const { api } = server
  const agent = await makeAgent(server, admin)
  const { accessToken: token } = await loginAgent(server, agent)
  const body = { ...sessions.createSession.example.body, agentId: agent.id }
  const { sessionId, refreshToken } = await api.call(sessions.createSession, { body, token })
  const params = { sessionId }
  await api.call(sessions.listSessions, { query: { agentId: agent.id, status: 'active' }, token })
  await api.call(sessions.getSession, { params, token })
  await api.call(sessions.refreshSession, { params, body: { refreshToken } })
  await api.call(sessions.updateSessionMetadata, { ...sessions.updateSessionMetadata.example, params, token })
  await api.call(sessions.getSessionStatistics, { token: admin })
  await api.call(sessions.endSession, { params, token })
  await api.call(sessions.endAgentSessions, { params: { agentId: agent.id }, token: admin })
  await callEverySdkTokenOperation(server)
}

async function callEverySdkTokenOperation({ api }: TestServer): Promise<void> {
  const { accessToken: token } = await api.call(auth.login, { body: { email, password } })
  const { sdkTokenId } = await api.call(sdk.createSdkToken, { ...sdk.createSdkToken.example, token })
  const params = { sdkTokenId }
  await api.call(sdk.listSdkTokens, { ...sdk.listSdkTokens.example, token })
  await api.call(sdk.countSdkTokens, { token })
  await api.call(sdk.getSdkToken, { params, token })
  await api.call(sdk.revokeSdkToken, { params, token })
  await api.call(sdk.recoverSdkToken, { params, token })
  await api.call(sdk.revokeAllSdkTokens, { token })
  await api.call(auth.validateToken, { ...auth.validateToken.example, token })
  const other = await api.call(auth.login, { body: { email, password } })
  await api.call(auth.logoutAll, { token: other.accessToken })
}
