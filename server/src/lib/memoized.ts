/** A pure function of a text that remembers what it gave. Beyond so many texts it forgets them all, and begins anew. */
export function memoized<Result>(work: (text: string) => Result, textsMax: number): (text: string) => Result {
  const known = new Map<string, { readonly result: Result }>()
  return (text) => {
    const found = known.get(text)
    if (found) return found.result
    const result = work(text)
    if (known.size >= textsMax) known.clear()
    known.set(text, { result })
    return result
  }
}
