/** Does the work of each item, so many at once, and answers in the items' order. Whatever one throws, the others end. */
export async function mapAtOnce<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Map<number, Result>()
  const waiting = items.entries()
  const line = async () => {
    for (const [place, item] of waiting) results.set(place, await work(item))
  }
  const lines = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, line))
  for (const each of lines) if (each.status === 'rejected') throw each.reason
  return [...results].toSorted(([one], [other]) => one - other).map(([, result]) => result)
}
