import { createHash, randomUUID } from 'node:crypto'
import { toBase64url } from '@agent-iam/standards/base64url'
import type { AgentKey } from './agent-key.ts'
import type { Clock } from './clock.ts'

/** The request that a proof is for. */
export interface ProvedRequest {
  readonly method: string
  readonly url: string
  /** The access token that is sent with it, if one is. */
  readonly token: string | undefined
}

/**
 * Proves with each request that its sender holds the agent's key (DPoP, RFC 9449): who steals a token that is bound to
 * the key has nothing.
 */
export class Possession {
  readonly #key: AgentKey
  readonly #clock: Clock
  /** What the server wants to see in the next proof; it says so where clocks differ. */
  nonce: string | undefined

  constructor(key: AgentKey, clock: Clock) {
    this.#key = key
    this.#clock = clock
  }

  /** A proof for one request. It is good once. */
  proof({ method, url, token }: ProvedRequest): string {
    const { origin, pathname } = new URL(url)
    const header = {
      typ: 'dpop+jwt',
      alg: 'EdDSA',
      jwk: { kty: 'OKP', crv: 'Ed25519', x: this.#key.publicKey },
    }
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: origin + pathname,
      iat: Math.floor(this.#clock.now().getTime() / 1000),
      ...(token !== undefined && { ath: createHash('sha256').update(token).digest('base64url') }),
      ...(this.nonce !== undefined && { nonce: this.nonce }),
    }
    const text = [header, claims].map((part) => toBase64url(Buffer.from(JSON.stringify(part)))).join('.')
    return `${text}.${this.#key.sign(text)}`
  }
}
