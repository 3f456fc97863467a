import { lookalikes } from './confusable-tables.ts'
import { fold } from './fold.ts'

/**
 * What a name looks like at a glance: two names with the same skeleton are taken for each other.
 *
 * Names that UTS 39 calls confusable have the same skeleton, and so have names that differ in case, in compatibility
 * forms, in white space, or in what is not seen.
 */
export function skeleton(name: string): string {
  const seen = name.normalize('NFD').replace(unseen, '')
  return Array.from(seen, similar).join('').normalize('NFD').replace(/\s+/gu, ' ').trim()
}

/** Marks a skeleton as made with the present tables. `refreshSkeletons` makes the others anew. */
export const skeletonPrefix = '2:'

/** A skeleton as it is stored. */
export function storedSkeleton(name: string): string {
  return skeletonPrefix + skeleton(name)
}

const unseen = /\p{Default_Ignorable_Code_Point}/gu

function similar(character: string): string {
  return table().get(character) ?? Array.from(fold(character), (each) => table().get(each) ?? each).join('')
}

let read: ReadonlyMap<string, string> | undefined

/** Read when the first name comes. */
function table(): ReadonlyMap<string, string> {
  read ??= readTable(lookalikes)
  return read
}

/** Each entry is a distance from the entry before, and the characters that it is folded to, in base 36. */
function readTable(text: string): Map<string, string> {
  let from = 0
  const entries = text.split(' ').map((entry): [string, string] => {
    const [step = 0, ...to] = entry.split('.').map((digits) => Number.parseInt(digits, 36))
    from += step
    return [String.fromCodePoint(from), String.fromCodePoint(...to)]
  })
  return new Map(entries)
}
