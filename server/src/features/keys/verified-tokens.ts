import type { TenantId } from '@agent-iam/contract/ids'
import type { JWTPayload } from 'jose'
import { sha256 } from '../../platform/digest.ts'
import type { JwtExpectations } from '../../platform/keys.ts'

/** Tokens kept at once, about a kilobyte each; the one used longest ago goes first. */
const tokensMax = 10_000

/** What was asked about a token: only the same question gets the same answer. */
interface Asked {
  readonly token: string
  readonly tenantId: TenantId
  readonly expected: JwtExpectations
  /** Of the keys: with others the token is verified anew. */
  readonly version: number
}

interface Verified {
  readonly payload: JWTPayload
  /** When the token, or the key that signed it, ends; in milliseconds. */
  readonly endsAt: number
}

/**
 * Remembers which signatures were found good, by the digest of the token, so that a token presented a thousand times is
 * verified once. Whether its session still lives is not remembered: that is asked each time.
 */
export class VerifiedTokens {
  readonly #verified = new Map<string, Verified>()

  find(asked: Asked): JWTPayload | undefined {
    const name = nameOf(asked)
    const found = this.#verified.get(name)
    if (!found) return undefined
    this.#verified.delete(name)
    if (found.endsAt <= asked.expected.now.getTime()) return undefined
    this.#verified.set(name, found)
    return found.payload
  }

  keep(asked: Asked, verified: Verified): void {
    const [oldest] = this.#verified.keys()
    if (oldest !== undefined && this.#verified.size >= tokensMax) this.#verified.delete(oldest)
    this.#verified.set(nameOf(asked), verified)
  }
}

function nameOf({ token, tenantId, expected: { typ, audience }, version }: Asked): string {
  return `${sha256(token).toString('base64')} ${tenantId} ${version} ${typ} ${audience}`
}
