import { registerAgent } from '@agent-iam/contract/agents'
import { createApiKey } from '@agent-iam/contract/api-keys'
import { confirmCreation, listCreations } from '@agent-iam/contract/creations'
import { aKey } from './agents.ts'
import { proof } from './factors.ts'
import type { TestServer } from './test-server.ts'

/** A person finds what a program made for them, and lets it stand by itself. */
export async function callEveryCreationOperation({ api }: TestServer, token: string): Promise<void> {
  const { key } = await api.call(createApiKey, { body: { name: 'a program' }, token })
  const body = { name: 'made by a program', publicKey: aKey().publicKey }
  const { agentId: creationId } = await api.call(registerAgent, { body, token: key })
  await api.call(listCreations, { token })
  await api.call(confirmCreation, { params: { creationId }, body: { proof }, token })
}
