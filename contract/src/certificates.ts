import { z } from 'zod'
import { Thumbprint } from './agent-keys.ts'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { Instant } from './text.ts'

/** Certificates of one identity at once: enough for a renewal on several machines. */
export const certificatesMax = 10

/** An X.509 certificate that proves an identity. */
export const Certificate = z.object({
  /** SHA-256 of its DER, base64url: `x5t#S256` of RFC 8705. */
  thumbprint: z.string(),
  subject: z.string(),
  issuer: z.string(),
  serialNumber: z.string(),
  notBefore: Instant,
  notAfter: Instant,
  createdBy: z.string(),
  createdAt: Instant,
})
export type Certificate = z.infer<typeof Certificate>

const PinCertificate = z.strictObject({
  /** One certificate in PEM; whoever shows it on a TLS connection holds its private key. */
  certificate: z.string().max(16_384),
})

const AgentPath = z.strictObject({ agentId: idSchema('agent') })
const ServicePath = z.strictObject({ serviceId: idSchema('service') })
const exampleAgent = { agentId: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
const exampleService = { serviceId: 'svc_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const
const exampleThumbprint = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'
/** Self-signed, for P-256, until 2126: an example and nobody’s key. */
const exampleCertificate = `-----BEGIN CERTIFICATE-----
MIIBiTCCAS6gAwIBAgIUGnIjy37fqGG8HYwcj986NsamjVYwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPbmlnaHRseS1pbmRleGVyMCAXDTI2MTEyMjA2MTkyNFoYDzIx
MjYxMDI5MDYxOTI0WjAaMRgwFgYDVQQDDA9uaWdodGx5LWluZGV4ZXIwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAQ2wN6Lx3CzR/YWQLAaRCmgk4B5m05/roiXuGo/
nYaI92C/m38orU1tzWZ0m3qtWhmP9lYFlYGEqCqrsqTVgaVHo1AwTjAdBgNVHQ4E
FgQUmdvOPJN6kcnA5e2wGnWRpEL2Y30wHwYDVR0jBBgwFoAUmdvOPJN6kcnA5e2w
GnWRpEL2Y30wDAYDVR0TAQH/BAIwADAKBggqhkjOPQQDAgNJADBGAiEAgnpzv3/r
GskbJxGnc6oLduZKB8A2jk2Eveyc/fz4a6MCIQCGKp8+HMtgBWllUvKUpMiSkPL8
mO4jBS0XQgtCplXozQ==
-----END CERTIFICATE-----
`
const list = z.object({ certificates: z.array(Certificate) })
const pinProblems = ['forbidden', 'not-found', 'already-exists', 'wrong-state', 'capability-exceeded'] as const

export const pinAgentCertificate = operation({
  id: 'pinAgentCertificate',
  method: 'POST',
  path: '/api/v1/agents/:agentId/certificates',
  action: 'agents:pin-certificate',
  summary: 'Lets a certificate prove an agent: it logs in on TLS connections that show it.',
  params: AgentPath,
  body: PinCertificate,
  status: 201,
  response: Certificate,
  problems: pinProblems,
  example: { params: exampleAgent, body: { certificate: exampleCertificate } },
})

export const listAgentCertificates = operation({
  id: 'listAgentCertificates',
  method: 'GET',
  path: '/api/v1/agents/:agentId/certificates',
  action: 'agents:read',
  summary: 'Lists the certificates that prove an agent.',
  params: AgentPath,
  status: 200,
  response: list,
  problems: ['forbidden', 'not-found'],
  example: { params: exampleAgent },
})

export const removeAgentCertificate = operation({
  id: 'removeAgentCertificate',
  method: 'DELETE',
  path: '/api/v1/agents/:agentId/certificates/:thumbprint',
  action: 'agents:remove-certificate',
  summary: 'Lets a certificate prove an agent no longer, and ends the sessions whose tokens are bound to it.',
  params: z.strictObject({ ...AgentPath.shape, thumbprint: Thumbprint }),
  status: 200,
  response: Certificate,
  problems: ['forbidden', 'not-found'],
  example: { params: { ...exampleAgent, thumbprint: exampleThumbprint } },
})

export const pinServiceCertificate = operation({
  id: 'pinServiceCertificate',
  method: 'POST',
  path: '/api/v1/services/:serviceId/certificates',
  action: 'services:pin-certificate',
  summary: 'Lets a certificate prove a service: it gets tokens on TLS connections that show it.',
  params: ServicePath,
  body: PinCertificate,
  status: 201,
  response: Certificate,
  problems: pinProblems,
  example: { params: exampleService, body: { certificate: exampleCertificate } },
})

export const listServiceCertificates = operation({
  id: 'listServiceCertificates',
  method: 'GET',
  path: '/api/v1/services/:serviceId/certificates',
  action: 'services:read',
  summary: 'Lists the certificates that prove a service.',
  params: ServicePath,
  status: 200,
  response: list,
  problems: ['forbidden', 'not-found'],
  example: { params: exampleService },
})

export const removeServiceCertificate = operation({
  id: 'removeServiceCertificate',
  method: 'DELETE',
  path: '/api/v1/services/:serviceId/certificates/:thumbprint',
  action: 'services:remove-certificate',
  summary: 'Lets a certificate prove a service no longer, and ends the sessions whose tokens are bound to it.',
  params: z.strictObject({ ...ServicePath.shape, thumbprint: Thumbprint }),
  status: 200,
  response: Certificate,
  problems: ['forbidden', 'not-found'],
  example: { params: { ...exampleService, thumbprint: exampleThumbprint } },
})
