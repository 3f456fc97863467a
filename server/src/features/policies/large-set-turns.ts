/** Something that waits for its turn. */
interface Waiting<T> {
  readonly tenantId: string
  readonly task: T
}

/** The tenants' tasks in turns, so that nobody waits behind all that another asked. */
export class LargeSetTurns<T> {
  /** The tenant whose turn is next comes first. */
  readonly #queues = new Map<string, T[]>()
  /** How long the last evaluation of those who have some took. */
  readonly #lastMs = new Map<string, number>()

  add(tenantId: string, task: T): void {
    const queue = this.#queues.get(tenantId) ?? []
    this.#queues.set(tenantId, queue)
    queue.push(task)
  }

  next(): Waiting<T> | undefined {
    for (const [tenantId, queue] of this.#queues) {
      const task = queue.shift()
      this.#queues.delete(tenantId)
      if (queue.length > 0) this.#queues.set(tenantId, queue)
      if (task !== undefined) return { tenantId, task }
    }
    return undefined
  }

  get size(): number {
    return [...this.#queues.values()].reduce((total, { length }) => total + length, 0)
  }

  /** What a tenant has waiting, as long as each takes as long as its last. */
  backlogMs(tenantId: string): number {
    return (this.#queues.get(tenantId)?.length ?? 0) * Math.max(1, this.#lastMs.get(tenantId) ?? 0)
  }

  /** Only the last thousand are remembered; of others nothing is expected. */
  took(tenantId: string, milliseconds: number): void {
    this.#lastMs.delete(tenantId)
    const [oldest] = this.#lastMs.keys()
    if (oldest !== undefined && this.#lastMs.size >= rememberedMax) this.#lastMs.delete(oldest)
    this.#lastMs.set(tenantId, milliseconds)
  }
}

const rememberedMax = 1_000
