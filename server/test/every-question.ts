import * as authorization from '@agent-iam/contract/authorization'
import * as authzen from '@agent-iam/contract/authzen'
import { makeAgent } from './agents.ts'
import type { TestServer } from './test-server.ts'

/** Every way to ask what is allowed, as an administrator would. */
export async function callEveryQuestion(server: TestServer, token: string): Promise<void> {
  const { api } = server
  const { id } = await makeAgent(server, token, ['file/docs/*:read'])
  const asked = {
    subject: { type: 'agent', id },
    action: { name: 'read' },
    resource: { type: 'file', id: 'docs/a.md' },
  }
  await api.call(authorization.bulkCheck, { ...authorization.bulkCheck.example, token })
  await api.call(authorization.whoCan, { ...authorization.whoCan.example, token })
  await api.call(authzen.evaluate, { body: asked, token })
  await api.call(authzen.evaluateAll, { body: { ...asked, evaluations: [{}] }, token })
  await api.call(authzen.searchSubjects, { body: asked, token })
  await api.call(authzen.searchResources, { body: asked, token })
  await api.call(authzen.searchActions, { body: asked, token })
  await api.call(authzen.authzenConfiguration)
  await api.call(authzen.tenantAuthzenConfiguration, { params: { tenantId: server.app.defaultTenantId } })
}
