import { X509Certificate, type KeyObject } from 'node:crypto'
import { Problem } from '../../platform/problem.ts'
import { sha256 } from '../../platform/digest.ts'
import type { StoredCertificate } from './store/certificates.ts'

/** What a certificate says of itself. */
export type CertificateFacts = Omit<StoredCertificate, 'createdBy' | 'createdAt' | 'source'>

/** NIST SP 800-131A: shorter RSA keys can be broken. */
const rsaBitsMin = 2048

/** Reads a certificate that is to prove an identity; `invalid-request` says what is wrong with it. */
export function readCertificate(pem: string, now: Date): CertificateFacts {
  const certificate = parse(pem)
  if (certificate.ca)
    throw notGood('it is a certificate authority’s, which signs others: bring one whose basicConstraints say CA:FALSE')
  const weakness = weaknessOf(certificate.publicKey)
  if (weakness) throw notGood(weakness)
  const [notBefore, notAfter] = [new Date(certificate.validFrom), new Date(certificate.validTo)]
  if (notAfter <= now) throw notGood('it has expired')
  return {
    thumbprint: sha256(certificate.raw).toString('base64url'),
    subject: certificate.subject ?? '',
    issuer: certificate.issuer ?? '',
    serialNumber: certificate.serialNumber,
    notBefore,
    notAfter,
  }
}

export function isInForce(
  { notBefore, notAfter }: Pick<CertificateFacts, 'notBefore' | 'notAfter'>,
  now: Date,
): boolean {
  return notBefore <= now && now < notAfter
}

const onePem = /^-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----$/

function parse(pem: string): X509Certificate {
  if (pem.includes('PRIVATE KEY')) throw notGood('it holds a private key: keep that, send the certificate alone')
  if (!onePem.test(pem.trim())) throw notGood('it is not one certificate in PEM')
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    // Whatever OpenSSL says of a text that it cannot read, the text is at fault.
    throw notGood('it cannot be read', cause)
  }
}

const ellipticCurves = new Set(['prime256v1', 'secp384r1', 'secp521r1'])

function weaknessOf({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string | undefined {
  if (type === 'ed25519' || type === 'ed448') return undefined
  if (type === 'ec' && ellipticCurves.has(details?.namedCurve ?? '')) return undefined
  if (type !== 'rsa' && type !== 'rsa-pss')
    return 'its key is of an algorithm that is not accepted: bring Ed25519, a NIST curve, or RSA'
  return (details?.modulusLength ?? 0) < rsaBitsMin ? `its RSA key is shorter than ${rsaBitsMin} bits` : undefined
}

function notGood(what: string, cause?: unknown): Problem {
  return new Problem('invalid-request', `certificate: ${what}`, {
    cause,
    errors: [{ field: 'certificate', message: what }],
  })
}
