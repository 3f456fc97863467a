/** A set of code points. */
export class CodePoints {
  readonly #ranges: ReadonlyArray<readonly [from: number, to: number]>

  /** Reads a table of `unicode-tables.ts`: in base 36, the distance of each range from the one before, and its length. */
  constructor(table: string) {
    let last = 0
    this.#ranges = table.split(' ').map((entry) => {
      const [step = 0, length = 0] = entry.split('.').map((digits) => Number.parseInt(digits, 36))
      const from = last + step
      last = from + length
      return [from, last]
    })
  }

  has(character: string | undefined): boolean {
    const point = character?.codePointAt(0)
    if (point === undefined) return false
    let [low, high] = [0, this.#ranges.length - 1]
    while (low <= high) {
      const middle = (low + high) >> 1
      const [from, to] = this.#ranges[middle] ?? [0, 0]
      if (point >= from && point <= to) return true
      if (point < from) high = middle - 1
      else low = middle + 1
    }
    return false
  }
}
