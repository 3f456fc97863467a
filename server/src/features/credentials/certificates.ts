import { X509Certificate } from 'node:crypto'
import { MalformedKeyError } from '@agent-iam/standards/malformed-key'
import { Problem } from '../../platform/problem.ts'
import { jwkOf, refusalOf } from '../../platform/public-keys.ts'
import { sha256 } from '../../platform/digest.ts'
import type { StoredCertificate } from './store/certificates.ts'

/** What a certificate says of itself. */
export type CertificateFacts = Omit<StoredCertificate, 'createdBy' | 'createdAt' | 'source'>

/** Reads a certificate that is to prove an identity; `invalid-request` says what is wrong with it. */
export function readCertificate(pem: string, now: Date): CertificateFacts {
  const certificate = parse(pem)
  if (certificate.ca)
    throw notGood('it is a certificate authority’s, which signs others: bring one whose basicConstraints say CA:FALSE')
  const weakness = weaknessOf(certificate)
  if (weakness !== undefined) throw notGood(`its key: ${weakness}`)
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

function weaknessOf(certificate: X509Certificate): string | undefined {
  try {
    return refusalOf(jwkOf(certificate.publicKey))
  } catch (error) {
    if (error instanceof MalformedKeyError) return error.message
    throw error
  }
}

function notGood(what: string, cause?: unknown): Problem {
  return new Problem('invalid-request', `certificate: ${what}`, {
    cause,
    errors: [{ field: 'certificate', message: what }],
  })
}
