import * as apiKeys from '@agent-iam/contract/api-keys'
import { validate } from '@agent-iam/contract/auth'
import * as services from '@agent-iam/contract/services'
import { issueToken } from '@agent-iam/contract/token'
import type { TestServer } from './test-server.ts'

/** Every operation of services, their credentials and API keys once, each accepted. */
export async function callEveryServiceOperation(server: TestServer, token: string): Promise<void> {
  await callServices(server, token)
  await callApiKeys(server, token)
}

async function callServices({ api }: TestServer, token: string): Promise<void> {
  const { serviceId } = await api.call(services.createService, { ...services.createService.example, token })
  const params = { serviceId }
  await api.call(services.listServices, { ...services.listServices.example, token })
  await api.call(services.getService, { params, token })
  const made = await api.call(services.createServiceSecret, { ...services.createServiceSecret.example, params, token })
  await api.call(services.listServiceSecrets, { params, token })
  const { thumbprint } = await api.call(services.addServiceKey, { ...services.addServiceKey.example, params, token })
  await api.call(services.listServiceKeys, { params, token })
  const { secret, secretId } = made
  const proof = { grant_type: 'client_credentials' as const, client_id: serviceId, client_secret: secret }
  const { access_token } = await api.call(issueToken, { body: proof })
  await api.call(validate, { token: access_token })
  await api.call(services.deleteServiceSecret, { params: { serviceId, secretId }, token })
  await api.call(services.deleteServiceKey, { params: { serviceId, thumbprint }, token })
  await api.call(services.suspendService, { ...services.suspendService.example, params, token })
  await api.call(services.reactivateService, { ...services.reactivateService.example, params, token })
  await api.call(services.deleteService, { params, token })
}

async function callApiKeys({ api }: TestServer, token: string): Promise<void> {
  const { apiKeyId, key } = await api.call(apiKeys.createApiKey, { ...apiKeys.createApiKey.example, token })
  const params = { apiKeyId }
  await api.call(validate, { token: key })
  await api.call(apiKeys.listApiKeys, { ...apiKeys.listApiKeys.example, token })
  await api.call(apiKeys.getApiKey, { params, token })
  await api.call(apiKeys.rotateApiKey, { ...apiKeys.rotateApiKey.example, params, token })
  await api.call(apiKeys.disableApiKey, { params, token })
  await api.call(apiKeys.enableApiKey, { params, token })
  await api.call(apiKeys.deleteApiKey, { params, token })
}
