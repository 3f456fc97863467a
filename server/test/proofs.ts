import { createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose'
import { sha256 } from '../src/platform/digest.ts'
import type { TestServer } from './test-server.ts'
import { publicUrl } from './test-server.ts'

/** A key that a client proves to hold. */
export interface ProofKey {
  readonly alg: string
  readonly privateKey: KeyObject
}

export function proofKey(alg: 'EdDSA' | 'ES256' = 'EdDSA'): ProofKey {
  const { privateKey } =
    alg === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { alg, privateKey }
}

export async function publicJwk({ privateKey }: ProofKey) {
  return exportJWK(createPublicKey(privateKey))
}

export async function thumbprintOf(key: ProofKey): Promise<string> {
  return calculateJwkThumbprint(await publicJwk(key))
}

/** What a proof is for; claims and header given replace the right ones, and `undefined` leaves one out. */
export interface ProofFor {
  readonly method?: string
  readonly path: string
  readonly token?: string
  readonly nonce?: string
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
}

/** A DPoP proof (RFC 9449 §4.2) as a right client makes it, but for what the test changes. */
export async function proofOf(server: TestServer, key: ProofKey, about: ProofFor): Promise<string> {
  const { method = 'POST', path, token, nonce, claims, header } = about
  return new SignJWT({
    jti: randomUUID(),
    htm: method,
    htu: publicUrl + path,
    iat: Math.floor(server.clock.now().getTime() / 1000),
    ...(token !== undefined && { ath: sha256(token).toString('base64url') }),
    ...(nonce !== undefined && { nonce }),
    ...claims,
  })
    .setProtectedHeader({ alg: key.alg, typ: 'dpop+jwt', jwk: await publicJwk(key), ...header })
    .sign(key.privateKey)
}

/** The headers of a request with a token that is bound to the key. */
export async function dpopHeaders(server: TestServer, key: ProofKey, about: ProofFor & { token: string }) {
  return { authorization: `DPoP ${about.token}`, dpop: await proofOf(server, key, about) }
}
