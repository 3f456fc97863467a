import { equalDigests, sha256 } from '../platform/digest.ts'
import { Problem } from '../platform/problem.ts'

/** With a token configured, only its bearer may read metrics; without one, only who is on this machine. */
export function requireMetricsToken(
  token: string | undefined,
  authorization: string | undefined,
  isLoopback: boolean,
): void {
  if (token === undefined && isLoopback) return
  const presented = authorization?.replace(/^Bearer +/i, '') ?? ''
  if (token !== undefined && equalDigests(sha256(presented), sha256(token))) return
  throw new Problem('unauthenticated', 'metrics are for the bearer of AGENT_IAM_METRICS_TOKEN')
}
