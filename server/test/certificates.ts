// oxlint-disable-next-line import/no-unassigned-import -- the library of certificates needs this polyfill loaded
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { sha256 } from '../src/platform/digest.ts'

x509.cryptoProvider.set(webcrypto)

const day = 86_400_000

export interface TestCertificate {
  readonly pem: string
  /** PKCS#8 PEM. */
  readonly key: string
  /** `x5t#S256`. */
  readonly thumbprint: string
  readonly issue: (name: string, options?: Options) => Promise<TestCertificate>
}

interface Options {
  /** The name that a server by this certificate is reached by. */
  readonly host?: string
  readonly isAuthority?: boolean
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly algorithm?: RsaHashedKeyGenParams | EcKeyGenParams | typeof edwards
}

const ellipticP256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
export const weakRsa = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 1024,
  publicExponent: new Uint8Array([1, 0, 1]),
}

export const edwards = { name: 'Ed25519' }

type RsaHashedKeyGenParams = typeof weakRsa
type EcKeyGenParams = typeof ellipticP256

/** A certificate that signs itself; its key may sign others. */
export async function selfSigned(name: string, options: Options = {}): Promise<TestCertificate> {
  const keys = await makePair(options)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    ...common(options),
  })
  return testCertificate(certificate, keys)
}

async function makePair({ algorithm = ellipticP256 }: Options): Promise<webcrypto.CryptoKeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  if ('privateKey' in keys) return keys
  throw new Error(`${algorithm.name} has no pairs`)
}

/** Serial numbers are positive and differ: Node would refuse a chain otherwise. */
let serials = 1n

function common({ host = 'localhost', isAuthority = false, notBefore, notAfter, algorithm = ellipticP256 }: Options) {
  return {
    serialNumber: (serials++).toString(16).padStart(4, '0'),
    notBefore: notBefore ?? new Date(Date.now() - day),
    notAfter: notAfter ?? new Date(Date.now() + day),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority, undefined, true),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: host },
        { type: 'ip', value: '127.0.0.1' },
      ]),
    ],
  }
}

async function testCertificate(
  certificate: x509.X509Certificate,
  keys: webcrypto.CryptoKeyPair,
): Promise<TestCertificate> {
  const exported = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return {
    pem: certificate.toString('pem'),
    key: x509.PemConverter.encode(exported, 'PRIVATE KEY'),
    thumbprint: sha256(new Uint8Array(certificate.rawData)).toString('base64url'),
    async issue(name, options = {}) {
      const leafKeys = await makePair(options)
      const leaf = await x509.X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: certificate.subject,
        publicKey: leafKeys.publicKey,
        signingKey: keys.privateKey,
        ...common(options),
      })
      return testCertificate(leaf, leafKeys)
    },
  }
}
