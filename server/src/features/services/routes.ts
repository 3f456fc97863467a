import * as contract from '@agent-iam/contract/services'
import { issueToken as issueTokenOperation } from '@agent-iam/contract/token'
import { route } from '../../platform/route.ts'
import type { ServiceKey, ServiceSecret } from './model.ts'
import {
  type Admissions,
  addKey,
  createSecret,
  createService,
  deleteKey,
  deleteSecret,
  deleteService,
  getService,
  issueToken,
  pageServices,
  reactivateService,
  readKeys,
  readSecrets,
  suspendService,
  type ServiceView,
} from './service.ts'

export const serviceRoutes = (admissions: Admissions) => [
  route(contract.createService, async (ctx, { body }) => toWire(await createService(ctx, body))),
  route(contract.listServices, async (ctx, { query }) => {
    const { rows, nextCursor } = await pageServices(ctx, query)
    return { services: rows.map(toWire), nextCursor }
  }),
  route(contract.getService, async (ctx, { params }) => toWire(await getService(ctx, params.serviceId))),
  route(contract.suspendService, async (ctx, { params, body }) =>
    toWire(await suspendService(ctx, params.serviceId, body.reason)),
  ),
  route(contract.reactivateService, async (ctx, { params, body }) =>
    toWire(await reactivateService(ctx, params.serviceId, body.reason)),
  ),
  route(contract.deleteService, async (ctx, { params }) => toWire(await deleteService(ctx, params.serviceId))),
  route(contract.createServiceSecret, async (ctx, { params, body }) => {
    const { secret, serviceSecret } = await createSecret(ctx, params.serviceId, body.expiresInDays)
    return { ...secretToWire(serviceSecret), secret }
  }),
  route(contract.listServiceSecrets, async (ctx, { params }) => {
    const secrets = await readSecrets(ctx, params.serviceId)
    return { secrets: secrets.map(secretToWire) }
  }),
  route(contract.deleteServiceSecret, async (ctx, { params: { serviceId, secretId } }) => {
    return { secretId, endedSessions: await deleteSecret(ctx, serviceId, secretId) }
  }),
  route(contract.addServiceKey, async (ctx, { params, body }) =>
    keyToWire(await addKey(ctx, params.serviceId, body.jwk)),
  ),
  route(contract.listServiceKeys, async (ctx, { params }) => {
    const keys = await readKeys(ctx, params.serviceId)
    return { keys: keys.map(keyToWire) }
  }),
  route(contract.deleteServiceKey, async (ctx, { params: { serviceId, thumbprint } }) => {
    return { thumbprint, endedSessions: await deleteKey(ctx, serviceId, thumbprint) }
  }),
  route(issueTokenOperation, async (ctx, { body }) => {
    const { accessToken, tokenType, expiresIn, scope } = await issueToken(ctx, admissions, body)
    return { access_token: accessToken, token_type: tokenType, expires_in: expiresIn, scope }
  }),
]

function toWire({ service, grants }: ServiceView): contract.Service {
  return {
    serviceId: service.id,
    name: service.name,
    description: service.description,
    status: service.status,
    owner: service.owner,
    capabilities: [...grants, ...service.labels],
    defaultScopes: [...service.defaultScopes],
    createdAt: service.createdAt.toISOString(),
    updatedAt: service.updatedAt.toISOString(),
    lastActivity: service.lastActivity?.toISOString() ?? null,
  }
}

function secretToWire({ id, prefix, createdBy, createdAt, expiresAt }: ServiceSecret): contract.ServiceSecret {
  return {
    secretId: id,
    prefix,
    createdBy,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  }
}

function keyToWire({ thumbprint, kid, algorithm, createdBy, createdAt }: ServiceKey): contract.ServiceKey {
  return { thumbprint, kid: kid ?? null, algorithm, createdBy, createdAt: createdAt.toISOString() }
}
