import * as agentKeys from '@agent-iam/contract/agent-keys'
import { registerAgent } from '@agent-iam/contract/agents'
import * as certificates from '@agent-iam/contract/certificates'
import { createService } from '@agent-iam/contract/services'
import type { TestServer } from './test-server.ts'

/** Every operation of agents' keys and of certificates once, each accepted. */
export async function callEveryPossessionOperation({ api }: TestServer, token: string): Promise<void> {
  const { agentId } = await api.call(registerAgent, { body: { name: 'with keys and certificates' }, token })
  const params = { agentId }
  const { replaced } = await api.call(agentKeys.rotateAgentKey, { ...agentKeys.rotateAgentKey.example, params, token })
  await api.call(agentKeys.listAgentKeys, { params, token })
  const thumbprint = replaced?.thumbprint ?? ''
  await api.call(agentKeys.revokeAgentKey, { params: { agentId, thumbprint }, token })

  const { example } = certificates.pinAgentCertificate
  const pinned = await api.call(certificates.pinAgentCertificate, { ...example, params, token })
  await api.call(certificates.listAgentCertificates, { params, token })
  const own = { agentId, thumbprint: pinned.thumbprint }
  await api.call(certificates.removeAgentCertificate, { params: own, token })

  const { serviceId } = await api.call(createService, { body: { name: 'with a certificate' }, token })
  const ofService = await api.call(certificates.pinServiceCertificate, { ...example, params: { serviceId }, token })
  await api.call(certificates.listServiceCertificates, { params: { serviceId }, token })
  const { thumbprint: x5t } = ofService
  await api.call(certificates.removeServiceCertificate, { params: { serviceId, thumbprint: x5t }, token })
}
