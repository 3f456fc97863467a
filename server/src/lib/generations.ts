/**
 * Values by key, of which those that were not used for longest are forgotten, half of all at once. To keep the order of every
 * use costs more than a value that has to be found again now and then.
 */
export class Generations<Value extends object> {
  readonly #eachMax: number
  /** Those used since the last change; whoever comes again from the one before is moved up. */
  #present = new Map<string, Value>()
  #past: ReadonlyMap<string, Value> = new Map()

  /** @param valuesMax of both generations together; 0: nothing is kept */
  constructor(valuesMax: number) {
    this.#eachMax = Math.ceil(valuesMax / 2)
  }

  find(key: string): Value | undefined {
    const present = this.#present.get(key)
    if (present) return present
    const past = this.#past.get(key)
    if (past) this.keep(key, past)
    return past
  }

  keep(key: string, value: Value): void {
    if (this.#eachMax === 0) return
    if (this.#present.size >= this.#eachMax) {
      this.#past = this.#present
      this.#present = new Map()
    }
    this.#present.set(key, value)
  }
}
