import { randomBytes } from 'node:crypto'

/** Small amounts are cut from so many bytes, drawn at once: each draw costs microseconds, and a decision takes several. */
const drawnBytes = 4096

/** The only source of chance: so many unpredictable bytes. */
export type Random = (bytes: number) => Buffer

export const systemRandom: Random = drawnInAdvance()

function drawnInAdvance(): Random {
  let drawn = Buffer.alloc(0)
  return (bytes) => {
    if (bytes > drawnBytes / 16) return randomBytes(bytes)
    if (bytes > drawn.length) drawn = randomBytes(drawnBytes)
    const given = Buffer.from(drawn.subarray(0, bytes))
    // What was given once is nobody else's: not even this process keeps it here.
    drawn.fill(0, 0, bytes)
    drawn = drawn.subarray(bytes)
    return given
  }
}

/** Secrets carry 256 bits: no search finds them. */
const secretBytes = 32

/** A fresh secret with a prefix that says what it is, such as `enr_…`. */
export function newSecret(random: Random, prefix: string): string {
  return prefix + random(secretBytes).toString('base64url')
}
