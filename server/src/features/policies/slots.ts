import { ok } from 'node:assert'

/** A set prepared by the library, under one of our fixed names. */
export interface Slot<T> {
  readonly name: string
  readonly version: string
  readonly content: T
}

/**
 * Which prepared set lies under which fixed name. The library cannot evict, only overwrite, so names are re-used: the set
 * not asked for longest gives way.
 */
export class Slots<T> {
  readonly #held = new Map<string, Slot<T>>()
  readonly #free: string[]

  constructor(count: number) {
    this.#free = Array.from({ length: count }, (_, index) => `slot${index}`)
  }

  find(key: string, version: string): Slot<T> | undefined {
    const slot = this.#held.get(key)
    if (slot?.version !== version) return undefined

    this.#held.delete(key)
    this.#held.set(key, slot)
    return slot
  }

  /** When `prepare` throws, nobody holds the name: what lies under it may be another tenant's. */
  fill(key: string, version: string, prepare: (name: string) => T): Slot<T> {
    this.#vacate(key)
    const name = this.#free.at(-1)
    ok(name !== undefined)

    const slot = { name, version, content: prepare(name) }
    this.#free.pop()
    this.#held.set(key, slot)
    return slot
  }

  /** Frees the name of the key itself, else the oldest if none is free. */
  #vacate(key: string): void {
    const leaving = this.#held.has(key) || this.#free.length > 0 ? key : this.#held.keys().next().value
    const slot = leaving === undefined ? undefined : this.#held.get(leaving)
    if (leaving === undefined || !slot) return

    this.#held.delete(leaving)
    this.#free.push(slot.name)
  }
}
