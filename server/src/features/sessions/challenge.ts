import { challengeSeconds, formatChallenge, parseChallenge, type Challenge } from '@agent-iam/contract/agent-proofs'
import type { AgentId } from '@agent-iam/contract/ids'
import { addSeconds } from '../../platform/clock.ts'
import type { Context } from '../../platform/context.ts'
import { equalDigests, hmacSha256, sha256 } from '../../platform/digest.ts'

type World = Pick<Context, 'clock' | 'random' | 'sealer'>

/** Enough chance that no two challenges are alike. */
const nonceBytes = 18

/** Makes a challenge that is not stored: its MAC, under a key all instances share, proves that we made it. */
export function makeChallenge(ctx: World, agentId: AgentId, issuer: string): { challenge: string; expiresAt: Date } {
  const expiresAt = addSeconds(ctx.clock.now(), challengeSeconds)
  const words = {
    issuer,
    agentId,
    expiresAt: expiresAt.toISOString(),
    nonce: ctx.random(nonceBytes).toString('base64url'),
  }
  return { challenge: formatChallenge({ ...words, mac: macOf(ctx, words) }), expiresAt }
}

/** Reads a challenge that we made for this agent and one of these issuers and that has not expired; undefined for anything else. */
export function readChallenge(
  ctx: World,
  text: string,
  agentId: AgentId,
  issuers: readonly string[],
): Challenge | undefined {
  const challenge = parseChallenge(text)
  if (!challenge || challenge.agentId !== agentId || !issuers.includes(challenge.issuer)) return undefined
  if (!equalDigests(sha256(challenge.mac), sha256(macOf(ctx, challenge)))) return undefined
  return Date.parse(challenge.expiresAt) > ctx.clock.now().getTime() ? challenge : undefined
}

function macOf(ctx: World, words: Omit<Challenge, 'mac'>): string {
  const text = [words.issuer, words.agentId, words.expiresAt, words.nonce].join(' ')
  return hmacSha256(ctx.sealer.derive('login challenge'), text).toString('base64url')
}
