import type { JsonBounds } from '../../lib/json-faults.ts'
import { bodyDepthMax } from '../../lib/nesting.ts'
import type { Patience } from './read-bytes.ts'

/** Of a body that is parsed where everybody waits: 65,536 bytes have fewer. */
export const smallBounds: JsonBounds = { depthMax: bodyDepthMax, valuesMax: 100_000 }

/** A full bulk: 1000 resources with 200 attributes and 20 labels each. */
export const largeBounds: JsonBounds = { depthMax: bodyDepthMax, valuesMax: 250_000 }

/** Of one item of a large body: several open objects of 200 members. Taking over so many values takes some two milliseconds. */
export const partValuesMax = 5_000

/**
 * The largest body (8 MB) needs 2 Mbit/s to arrive in 30 s, which an honest client has. A pause of 5 s means that the client has
 * gone, or occupies a place on purpose.
 */
export const patience: Patience = { totalMs: 30_000, stallMs: 5_000 }
