import { listSessions, createSession } from '@agent-iam/contract/sessions'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import type { TestServer } from './test-server.ts'

/** An agent that has logged in, once. */
export async function agentWithToken(server: TestServer, admin: string): Promise<{ agent: TestAgent; token: string }> {
  const agent = await makeAgent(server, admin)
  return { agent, token: (await loginAgent(server, agent)).accessToken }
}

/** Another session of an agent, begun with a token that it has. */
export async function beginSession(
  server: TestServer,
  agent: TestAgent,
  token: string,
  metadata: Record<string, string> = {},
) {
  return server.api.call(createSession, { body: { agentId: agent.id, metadata }, token })
}

/** How many sessions of an agent live. */
export async function countLive(server: TestServer, admin: string, agent: TestAgent): Promise<number> {
  const query = { agentId: agent.id, status: 'active' as const }
  return (await server.api.call(listSessions, { query, token: admin })).total
}
