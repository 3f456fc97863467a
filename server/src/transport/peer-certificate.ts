import { X509Certificate } from 'node:crypto'
import { BlockList, isIPv6, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import { sha256 } from '../platform/digest.ts'
import { jwkOf, refusalOf } from '../platform/public-keys.ts'

export interface CertificateSources {
  readonly trustedProxies: readonly string[]
  /** The header in which a trusted proxy tells the certificate that it verified; undefined: none is believed. */
  readonly clientCertificateHeader: string | undefined
}

/** Tells the thumbprint of the certificate whose key the sender of a request proved to hold. */
export type CertificateReader = (request: FastifyRequest, now: Date) => string | undefined

/**
 * At our own port TLS itself proves the key; who signed the certificate does not matter, since each is pinned to its
 * identity. From a trusted proxy only the header counts: the proxy's own certificate is not the caller's. From anybody
 * else the header is nothing.
 */
export function certificateReader({ trustedProxies, clientCertificateHeader }: CertificateSources): CertificateReader {
  const proxies = blockList(trustedProxies)
  return ({ raw: { socket }, headers }, now) => {
    const isProxy = isFrom(socket, proxies)
    const header = clientCertificateHeader === undefined ? undefined : headers[clientCertificateHeader.toLowerCase()]
    const certificate = isProxy ? readHeader(header) : shownOn(socket)
    return certificate && isInForce(certificate, now) ? acceptedThumbprint(certificate) : undefined
  }
}

function blockList(addresses: readonly string[]): BlockList {
  const list = new BlockList()
  for (const each of addresses) {
    const [address = '', bits] = each.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/** The peer of the connection itself: what it says of others is what is in question. */
function isFrom({ remoteAddress }: Socket, proxies: BlockList): boolean {
  return remoteAddress !== undefined && proxies.check(remoteAddress, isIPv6(remoteAddress) ? 'ipv6' : 'ipv4')
}

/** A connection's certificate never changes, and reading it anew for each request is slow. */
const shown = new WeakMap<Socket, X509Certificate>()

function shownOn(socket: Socket): X509Certificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  const certificate = shown.get(socket) ?? socket.getPeerX509Certificate()
  if (certificate) shown.set(socket, certificate)
  return certificate
}

/** RFC 9440 (`:base64 of DER:`), or PEM with percent signs as nginx escapes it. */
function readHeader(header: string | string[] | undefined): X509Certificate | undefined {
  if (typeof header !== 'string' || header === '') return undefined
  try {
    const [, der] = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(header) ?? []
    return new X509Certificate(der === undefined ? decodeURIComponent(header) : Buffer.from(der, 'base64'))
  } catch {
    // Whatever it is, it is no certificate: nobody is proved by it.
    return undefined
  }
}

function isInForce({ validFrom, validTo }: X509Certificate, now: Date): boolean {
  return new Date(validFrom) <= now && now < new Date(validTo)
}

/** Undefined where the gate refuses the key: then anybody may be able to prove it. */
function acceptedThumbprint(certificate: X509Certificate): string | undefined {
  const thumbprint = sha256(certificate.raw).toString('base64url')
  const isAccepted = accepted.get(thumbprint) ?? hasAcceptedKey(certificate)
  if (accepted.size >= acceptedMax) accepted.clear()
  accepted.set(thumbprint, isAccepted)
  return isAccepted ? thumbprint : undefined
}

/** What the gate answered, by thumbprint: to export a key anew for each request is slow. */
const accepted = new Map<string, boolean>()
/** Certificates whose answer is cached, a hundred bytes each. */
const acceptedMax = 5000

function hasAcceptedKey({ publicKey }: X509Certificate): boolean {
  try {
    return refusalOf(jwkOf(publicKey)) === undefined
  } catch {
    // OpenSSL cannot read the key, or it is of a kind that has no JWK.
    return false
  }
}
