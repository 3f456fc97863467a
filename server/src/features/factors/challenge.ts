import { addSeconds } from '../../platform/clock.ts'
import type { Context } from '../../platform/context.ts'
import { equalDigests, hmacSha256 } from '../../platform/digest.ts'

type World = Pick<Context, 'clock' | 'random' | 'sealer'>

/** Time to find the key and touch it. */
export const passkeyChallengeSeconds = 300
const timeBytes = 6
const nonceBytes = 18
const macBytes = 32

/** What a challenge is for: one of a login registers nothing, and one person's registration is no other's. */
export type ChallengePurpose = 'login' | `register ${string}`

export interface PasskeyChallenge {
  readonly nonce: string
  readonly expiresAt: Date
}

/** Makes a challenge that is not stored: its MAC, under a key all instances share, proves that we made it, and for what. */
export function makePasskeyChallenge(ctx: World, purpose: ChallengePurpose): { challenge: Buffer; expiresAt: Date } {
  const expiresAt = addSeconds(ctx.clock.now(), passkeyChallengeSeconds)
  const time = Buffer.alloc(timeBytes)
  time.writeUIntBE(expiresAt.getTime(), 0, timeBytes)
  const words = Buffer.concat([time, ctx.random(nonceBytes)])
  return { challenge: Buffer.concat([words, macOf(ctx, purpose, words)]), expiresAt }
}

/** Reads a challenge that we made for this purpose and that has not expired; undefined for anything else. */
export function readPasskeyChallenge(
  ctx: World,
  purpose: ChallengePurpose,
  text: string,
): PasskeyChallenge | undefined {
  const bytes = Buffer.from(text, 'base64url')
  const words = bytes.subarray(0, timeBytes + nonceBytes)
  if (bytes.length !== timeBytes + nonceBytes + macBytes || bytes.toString('base64url') !== text) return undefined
  if (!equalDigests(bytes.subarray(words.length), macOf(ctx, purpose, words))) return undefined
  const expiresAt = new Date(words.readUIntBE(0, timeBytes))
  const nonce = words.subarray(timeBytes).toString('base64url')
  return expiresAt > ctx.clock.now() ? { nonce, expiresAt } : undefined
}

function macOf({ sealer }: World, purpose: ChallengePurpose, words: Buffer): Buffer {
  return hmacSha256(sealer.derive('passkey challenge'), `${purpose} ${words.toString('base64url')}`)
}
