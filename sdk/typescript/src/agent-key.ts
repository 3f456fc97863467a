import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { thumbprint } from '@agent-iam/standards/ed25519-key'
import { fromBase64url, toBase64url } from '@agent-iam/standards/base64url'
import { CredentialsError } from './errors.ts'

/** An agent's Ed25519 key (RFC 8032), which never leaves this machine. */
export interface AgentKey {
  /** PKCS#8 PEM: what the key file holds. */
  readonly pem: string
  /** Thirty-two bytes, base64url: what the server is given. */
  readonly publicKey: string
  /** RFC 7638. */
  readonly thumbprint: string
  /** A signature over the text's UTF-8 bytes, base64url. */
  sign(text: string): string
}

export function makeAgentKey(): AgentKey {
  return agentKey(generateKeyPairSync('ed25519').privateKey)
}

/** Reads the key of a key file; `file` is for the error's sake. */
export function parseAgentKey(pem: string, file: string): AgentKey {
  try {
    return agentKey(createPrivateKey(pem))
  } catch (error) {
    throw new CredentialsError(file, `${file} holds no Ed25519 private key in PKCS#8 PEM`, error)
  }
}

function agentKey(key: KeyObject): AgentKey {
  const { x, crv } = createPublicKey(key).export({ format: 'jwk' })
  if (crv !== 'Ed25519' || x === undefined) throw new TypeError('not an Ed25519 key')
  return {
    pem: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    publicKey: x,
    thumbprint: thumbprint(fromBase64url(x)),
    sign: (text) => toBase64url(sign(null, Buffer.from(text, 'utf8'), key)),
  }
}
