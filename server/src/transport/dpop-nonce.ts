import type { Context } from '../platform/context.ts'
import { equalDigests, hmacSha256, sha256 } from '../platform/digest.ts'

type World = Pick<Context, 'clock' | 'sealer'>

/** A nonce is good in its own step and the next, so for one to two of them: a proof is made for one request. */
const nonceStepSeconds = 60
const nonceBytes = 18

/**
 * The nonce of now (RFC 9449 §8). It is not stored: it is the MAC of the time, under a key that all instances share, so
 * that each takes what another gave.
 */
export function dpopNonce(world: World): string {
  return nonceOf(world, stepOf(world))
}

/** Whether we gave this nonce, and when a proof with it can no longer be taken. */
export function nonceEnd(world: World, nonce: string): Date | undefined {
  const step = stepOf(world)
  const given = [step, step - 1].find((each) => equalDigests(sha256(nonce), sha256(nonceOf(world, each))))
  return given === undefined ? undefined : new Date((given + 2) * nonceStepSeconds * 1000)
}

function stepOf({ clock }: World): number {
  return Math.floor(clock.now().getTime() / 1000 / nonceStepSeconds)
}

function nonceOf({ sealer }: World, step: number): string {
  return hmacSha256(sealer.derive('dpop nonce'), String(step)).subarray(0, nonceBytes).toString('base64url')
}
