import { ok } from 'node:assert'

/** A set of policies that the library has prepared, under one of our fixed names. */
interface Slot {
  readonly name: string
  readonly characters: number
}

interface SlotLimits {
  readonly slotsMax: number
  /** Of all that is prepared: what the library holds for a text is in proportion to it. */
  readonly charactersMax: number
}

/** How the library prepares texts under a name, in place of what was there. */
type Prepare = (name: string, texts: readonly string[]) => void

/**
 * Which prepared set lies under which fixed name. The library cannot forget a name, only be given something else for it,
 * so names are used again: the set not asked for longest gives way.
 */
export class Slots {
  readonly #limits: SlotLimits
  readonly #prepare: Prepare
  readonly #held = new Map<string, Slot>()
  readonly #free: string[]
  #characters = 0

  constructor(limits: SlotLimits, prepare: Prepare) {
    this.#limits = limits
    this.#prepare = prepare
    this.#free = Array.from({ length: limits.slotsMax }, (_, index) => `slot${index}`)
  }

  /** The name under which it lies. */
  find(key: string): string | undefined {
    const slot = this.#held.get(key)
    if (!slot) return undefined

    this.#held.delete(key)
    this.#held.set(key, slot)
    return slot.name
  }

  /** When preparing throws, nobody holds the name: what lies under it may be another tenant's. */
  fill(key: string, texts: readonly string[]): string {
    const characters = texts.reduce((total, text) => total + text.length, 0)
    this.#vacate(key)
    while (this.#held.size > 0 && this.#isFullFor(characters)) this.#vacateOldest()
    const name = this.#free.at(-1)
    ok(name !== undefined)

    this.#prepare(name, texts)
    this.#free.pop()
    this.#held.set(key, { name, characters })
    this.#characters += characters
    return name
  }

  #isFullFor(characters: number): boolean {
    return this.#free.length === 0 || this.#characters + characters > this.#limits.charactersMax
  }

  #vacateOldest(): void {
    const [oldest] = this.#held.keys()
    if (oldest !== undefined) this.#vacate(oldest)
  }

  /** Nothing in the place of what was there gives its memory back. */
  #vacate(key: string): void {
    const slot = this.#held.get(key)
    if (!slot) return

    this.#held.delete(key)
    this.#characters -= slot.characters
    this.#free.push(slot.name)
    this.#prepare(slot.name, [])
  }
}
