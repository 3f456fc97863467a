import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto'
import type { PasskeyAssertion, PasskeyRegistration } from '@agent-iam/contract/factors'
import type { z } from 'zod'
import { publicUrl } from './test-server.ts'

/** What a dishonest client or authenticator would change. */
export interface Changes {
  readonly origin?: string
  readonly rpId?: string
  readonly type?: string
  readonly flags?: number
  readonly counter?: number
  readonly userHandle?: string
  readonly credentialId?: string
  readonly challenge?: string
  readonly key?: KeyObject
  readonly attestation?: Buffer
  /** Vouches for the passkey with a certificate. */
  readonly maker?: { readonly pem: string; readonly key: string }
}

const userPresent = 0x01
const userVerified = 0x04
const attested = 0x40
const honestFlags = userPresent | userVerified

/** An authenticator with one passkey (ES256), as a browser's `toJSON` shows what it does. */
export class SoftwarePasskey {
  readonly id = randomBytes(16).toString('base64url')
  readonly #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  #userHandle: string | undefined
  counter = 0

  get privateKey(): KeyObject {
    return this.#pair.privateKey
  }

  create(
    options: { challenge: string; user: { id: string } },
    changes: Changes = {},
  ): z.input<typeof PasskeyRegistration> {
    this.#userHandle = options.user.id
    const flags = (changes.flags ?? honestFlags) | attested
    const authData = Buffer.concat([this.#authenticatorData({ ...changes, flags }), this.#attestedCredential()])
    const clientDataJSON = clientData('webauthn.create', options.challenge, changes)
    const { attestation = attestationOf(authData, clientDataJSON, changes) } = changes
    return {
      id: this.id,
      rawId: this.id,
      type: 'public-key',
      response: {
        clientDataJSON,
        attestationObject: attestation.toString('base64url'),
        transports: ['internal'],
      },
    }
  }

  get(options: { challenge: string }, changes: Changes = {}): z.input<typeof PasskeyAssertion> {
    const authData = this.#authenticatorData(changes)
    const clientDataJSON = clientData('webauthn.get', options.challenge, changes)
    const signed = signedBytes(authData, clientDataJSON)
    const id = changes.credentialId ?? this.id
    const userHandle = changes.userHandle ?? this.#userHandle
    return {
      id,
      rawId: id,
      type: 'public-key',
      response: {
        clientDataJSON,
        authenticatorData: authData.toString('base64url'),
        signature: sign('sha256', signed, changes.key ?? this.#pair.privateKey).toString('base64url'),
        ...(userHandle !== undefined && { userHandle }),
      },
    }
  }

  #authenticatorData({ rpId = 'localhost', flags = honestFlags, counter }: Changes): Buffer {
    const count = Buffer.alloc(4)
    count.writeUInt32BE(counter ?? ++this.counter)
    return Buffer.concat([digest(rpId), Buffer.from([flags]), count])
  }

  /** AAGUID, length and id of the credential, and its COSE key. */
  #attestedCredential(): Buffer {
    const id = Buffer.from(this.id, 'base64url')
    const { x = '', y = '' } = this.#pair.publicKey.export({ format: 'jwk' })
    const coordinate = (value: string) => Buffer.concat([Buffer.from([0x58, 32]), Buffer.from(value, 'base64url')])
    // {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y} in CBOR.
    const key = [
      Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21]),
      coordinate(x),
      Buffer.from([0x22]),
      coordinate(y),
    ]
    return Buffer.concat([Buffer.alloc(16), Buffer.from([0, id.length]), id, ...key])
  }
}

function clientData(type: string, challenge: string, changes: Changes): string {
  const data = {
    type: changes.type ?? type,
    challenge: changes.challenge ?? challenge,
    origin: changes.origin ?? publicUrl,
    crossOrigin: false,
  }
  return Buffer.from(JSON.stringify(data)).toString('base64url')
}

function signedBytes(authData: Buffer, clientDataJSON: string): Buffer {
  return Buffer.concat([authData, digest(Buffer.from(clientDataJSON, 'base64url'))])
}

/** {fmt: "none", attStmt: {}, authData}, or {fmt: "packed", attStmt: {alg: -7, sig, x5c: […]}, authData}, in CBOR. */
function attestationOf(authData: Buffer, clientDataJSON: string, { maker }: Changes): Buffer {
  const head = [Buffer.from([0xa3]), text('fmt'), text(maker ? 'packed' : 'none'), text('attStmt')]
  const tail = [text('authData'), bytes(authData)]
  if (!maker) return Buffer.concat([...head, Buffer.from([0xa0]), ...tail])
  const signature = sign('sha256', signedBytes(authData, clientDataJSON), maker.key)
  const chain = [text('x5c'), Buffer.from([0x81]), bytes(new X509Certificate(maker.pem).raw)]
  const algorithm = [Buffer.from([0xa3]), text('alg'), Buffer.from([0x26])]
  return Buffer.concat([...head, ...algorithm, text('sig'), bytes(signature), ...chain, ...tail])
}

function bytes(content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x59, content.length >> 8, content.length & 0xff]), content])
}

function text(content: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 + content.length]), Buffer.from(content)])
}

function digest(content: string | Buffer): Buffer {
  return createHash('sha256').update(content).digest()
}
