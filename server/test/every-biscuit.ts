import * as biscuits from '@agent-iam/contract/biscuits'
import { loginAgent, makeAgent } from './agents.ts'
import type { TestServer } from './test-server.ts'

/** Every operation of Biscuits once, each accepted. */
export async function callEveryBiscuitOperation(server: TestServer, admin: string): Promise<void> {
  const { api, app } = server
  const agent = await makeAgent(server, admin, ['file/docs/*:read'])
  const { accessToken } = await loginAgent(server, agent)
  const minted = await api.call(biscuits.mintBiscuit, { ...biscuits.mintBiscuit.example, token: accessToken })
  const body = { ...biscuits.verifyBiscuit.example.body, token: minted.token }
  await api.call(biscuits.verifyBiscuit, { body, token: minted.token })
  await api.call(biscuits.revokeBiscuit, { body: { revocationId: minted.revocationId }, token: admin })
  const params = { tenantId: app.defaultTenantId }
  await api.call(biscuits.biscuitKeys)
  await api.call(biscuits.tenantBiscuitKeys, { params })
  await api.call(biscuits.biscuitRevocations)
  await api.call(biscuits.tenantBiscuitRevocations, { params })
}
