import { randomBytes } from 'node:crypto'

/** The only source of chance: so many unpredictable bytes. */
export type Random = (bytes: number) => Buffer

export const systemRandom: Random = (bytes) => randomBytes(bytes)

/** Secrets carry 256 bits: no search finds them. */
const secretBytes = 32

/** A fresh secret with a prefix that says what it is, such as `enr_…`. */
export function newSecret(random: Random, prefix: string): string {
  return prefix + random(secretBytes).toString('base64url')
}
