import type { ServiceId } from '@agent-iam/contract/ids'
import { createService, createServiceSecret } from '@agent-iam/contract/services'
import type { TestServer } from './test-server.ts'

let made = 0

/** An active service that can prove nothing yet. */
export async function makeService(
  server: TestServer,
  token: string,
  capabilities = ['file/docs/*:read'],
  rest: object = {},
) {
  const body = { name: `service ${++made}`, capabilities, ...rest }
  return server.api.call(createService, { body, token })
}

/** A service with a secret, and the body by which it asks for a token. */
export async function makeServiceWithSecret(server: TestServer, token: string, capabilities?: string[], rest?: object) {
  const service = await makeService(server, token, capabilities, rest)
  const params = { serviceId: service.serviceId }
  const { secret, secretId } = await server.api.call(createServiceSecret, { params, token })
  return { ...service, params, secretId, body: bySecret(service.serviceId, secret) }
}

export function bySecret(clientId: ServiceId, secret: string) {
  return { grant_type: 'client_credentials' as const, client_id: clientId, client_secret: secret }
}
