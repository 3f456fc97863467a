interface Sentence {
  readonly version: string
  readonly until: Date | undefined
}

/** The sets not to be evaluated. A set is known by its version, so a changed set is free at once. */
export class Quarantine {
  readonly #sentences = new Map<string, Sentence>()

  /** Without `until`, for as long as the set stays as it is. */
  add(tenantId: string, version: string, until?: Date): void {
    this.#sentences.set(tenantId, { version, until })
  }

  holds(tenantId: string, version: string, at: Date): boolean {
    const sentence = this.#sentences.get(tenantId)
    if (!sentence) return false
    if (sentence.version === version && (!sentence.until || at < sentence.until)) return true

    this.#sentences.delete(tenantId)
    return false
  }
}
