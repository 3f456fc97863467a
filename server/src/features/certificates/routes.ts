import * as contract from '@agent-iam/contract/certificates'
import { route } from '../../platform/route.ts'
import type { StoredCertificate } from '../credentials/service.ts'
import { listCertificates, pinCertificate, removeCertificate } from './service.ts'

export const certificateRoutes = [
  route(contract.pinAgentCertificate, async (ctx, { params, body }) =>
    toWire(await pinCertificate(ctx, params.agentId, body.certificate)),
  ),
  route(contract.listAgentCertificates, async (ctx, { params }) => ({
    certificates: (await listCertificates(ctx, params.agentId)).map(toWire),
  })),
  route(contract.removeAgentCertificate, async (ctx, { params }) =>
    toWire(await removeCertificate(ctx, params.agentId, params.thumbprint)),
  ),
  route(contract.pinServiceCertificate, async (ctx, { params, body }) =>
    toWire(await pinCertificate(ctx, params.serviceId, body.certificate)),
  ),
  route(contract.listServiceCertificates, async (ctx, { params }) => ({
    certificates: (await listCertificates(ctx, params.serviceId)).map(toWire),
  })),
  route(contract.removeServiceCertificate, async (ctx, { params }) =>
    toWire(await removeCertificate(ctx, params.serviceId, params.thumbprint)),
  ),
]

function toWire({ notBefore, notAfter, createdAt, ...facts }: StoredCertificate): contract.Certificate {
  return {
    ...facts,
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    createdAt: createdAt.toISOString(),
  }
}
