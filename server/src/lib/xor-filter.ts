import { createHash } from 'node:crypto'

/**
 * A set of texts in about 20 bits each (Graf and Lemire, "Xor Filters", 2020). It contains every text that it was built from,
 * and one in 65,536 of all others.
 *
 * File: `AXF1`, seed and block length as 32-bit integers, then three blocks of 16-bit fingerprints; all little-endian.
 */
export class XorFilter {
  readonly #bytes: Buffer
  readonly #seed: number
  readonly #blockLength: number

  /** Throws for bytes that `buildXorFilter` did not make. */
  constructor(bytes: Buffer) {
    if (bytes.toString('latin1', 0, 4) !== magic) throw new Error('this is not a file of an xor filter')
    this.#bytes = bytes
    this.#seed = bytes.readUInt32LE(4)
    this.#blockLength = bytes.readUInt32LE(8)
    if (bytes.length !== headerBytes + blocks * fingerprintBytes * this.#blockLength)
      throw new Error('the file of the xor filter is cut short')
  }

  has(text: string): boolean {
    const { slots, fingerprint } = locate(text, this.#seed, this.#blockLength)
    const found = slots.map((slot) => this.#bytes.readUInt16LE(headerBytes + fingerprintBytes * slot))
    return found.reduce((sum, each) => sum ^ each, 0) === fingerprint
  }
}

const magic = 'AXF1'
const headerBytes = 12
const fingerprintBytes = 2
const blocks = 3
/** Slots for each text; with fewer than 1.23 the filter can rarely be solved. */
const slotsPerText = 1.23
/** Slots beyond that, so that small sets are solved as well. */
const extraSlots = 32
/** A seed succeeds nearly always; so many failures mean a fault. */
const seedsMax = 100

/** Makes the file of a filter that contains these texts. The same texts give the same bytes. */
export function buildXorFilter(texts: ReadonlySet<string>): Buffer {
  const blockLength = Math.ceil((slotsPerText * texts.size + extraSlots) / blocks)
  for (let seed = 0; seed < seedsMax; seed++) {
    const places = placesOf(texts, seed, blockLength)
    const order = peel(places)
    if (order) return toFile(seed, blockLength, fill(places, order))
  }
  throw new Error('no seed solves the filter')
}

/** Where a text belongs: a slot in each block, and what their contents must add up to. */
function locate(text: string, seed: number, blockLength: number): { slots: number[]; fingerprint: number } {
  const digest = createHash('sha256').update(`${seed}:${text}`).digest()
  const slotIn = (block: number) =>
    block * blockLength + Math.floor((digest.readUInt32LE(4 * block) * blockLength) / 2 ** 32)
  return { slots: [slotIn(0), slotIn(1), slotIn(2)], fingerprint: digest.readUInt16LE(12) }
}

interface Places {
  /** Three for each text. */
  readonly slots: Uint32Array
  readonly fingerprints: Uint16Array
  readonly slotCount: number
}

function placesOf(texts: ReadonlySet<string>, seed: number, blockLength: number): Places {
  const slots = new Uint32Array(blocks * texts.size)
  const fingerprints = new Uint16Array(texts.size)
  let index = 0
  for (const text of texts) {
    const place = locate(text, seed, blockLength)
    slots.set(place.slots, blocks * index)
    fingerprints[index] = place.fingerprint
    index++
  }
  return { slots, fingerprints, slotCount: blocks * blockLength }
}

/** A text, and the slot that it alone decides once those after it are filled. */
type Step = readonly [text: number, slot: number]

/** Takes away, again and again, a text that is alone in one of its slots. Undefined: some texts are alone nowhere. */
function peel({ slots, fingerprints, slotCount }: Places): Step[] | undefined {
  const counts = new Uint32Array(slotCount)
  const sums = new Uint32Array(slotCount)
  const change = (slot: number, text: number, by: 1 | -1) => {
    counts[slot] = (counts[slot] ?? 0) + by
    sums[slot] = (sums[slot] ?? 0) ^ text
  }
  slots.forEach((slot, n) => change(slot, Math.floor(n / blocks), 1))
  const alone = [...counts.keys()].filter((slot) => counts[slot] === 1)
  const order: Step[] = []
  for (let slot = alone.pop(); slot !== undefined; slot = alone.pop()) {
    if (counts[slot] !== 1) continue
    const text = sums[slot] ?? 0
    order.push([text, slot])
    for (const each of slots.subarray(blocks * text, blocks * (text + 1))) {
      change(each, text, -1)
      if (counts[each] === 1) alone.push(each)
    }
  }
  return order.length === fingerprints.length ? order : undefined
}

function fill({ slots, fingerprints, slotCount }: Places, order: readonly Step[]): Uint16Array {
  const table = new Uint16Array(slotCount)
  for (const [text, slot] of order.toReversed()) {
    const others = slots.subarray(blocks * text, blocks * (text + 1)).filter((each) => each !== slot)
    table[slot] = others.reduce((sum, each) => sum ^ (table[each] ?? 0), fingerprints[text] ?? 0)
  }
  return table
}

function toFile(seed: number, blockLength: number, table: Uint16Array): Buffer {
  const file = Buffer.alloc(headerBytes + fingerprintBytes * table.length)
  file.write(magic, 'latin1')
  file.writeUInt32LE(seed, 4)
  file.writeUInt32LE(blockLength, 8)
  table.forEach((fingerprint, slot) => file.writeUInt16LE(fingerprint, headerBytes + fingerprintBytes * slot))
  return file
}
