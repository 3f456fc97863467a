import { isLoopback } from '../platform/config.ts'
import { equalDigests, sha256 } from '../platform/digest.ts'
import { Problem } from '../platform/problem.ts'

interface Address {
  readonly publicUrl: string
  readonly isLoopback: boolean
}

/**
 * Whether only who is on this machine can reach us. A loopback address alone does not say so: a proxy on the same machine
 * asks from there too, for anybody, and then the public address is another.
 */
export function isOnlyLocal(address: Address): boolean {
  return address.isLoopback && isLoopback(new URL(address.publicUrl).hostname)
}

/** With a token configured, only its bearer may read metrics; without one, only who is on this machine. */
export function requireMetricsToken(
  token: string | undefined,
  authorization: string | undefined,
  isLocal: boolean,
): void {
  if (token === undefined && isLocal) return
  const presented = authorization?.replace(/^Bearer +/i, '') ?? ''
  if (token !== undefined && equalDigests(sha256(presented), sha256(token))) return
  throw new Problem('unauthenticated', 'metrics are for the bearer of AGENT_IAM_METRICS_TOKEN')
}
