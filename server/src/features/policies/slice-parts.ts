import type { CedarRequest } from './cedar-json.ts'
import type { Part } from './evaluator.ts'
import { largePartMax } from './policy-limits.ts'
import { digestOf, type Slice } from './slices.ts'

/**
 * How a slice is put to the library on the main thread. Preparing a policy takes about as long as asking a prepared set, so a
 * slice is prepared as a whole only once it was asked for so often that this would have paid. Until then it is put as up to
 * three sets, whose answers together are the whole's: what is always there, what goes by the action, both shared with many
 * other slices, and the rest.
 */
export class SmallParts {
  readonly #countedMax: number
  readonly #timesAsked = new Map<string, number>()

  /** As many are counted as can be prepared: what comes again later would find no place. */
  constructor(countedMax: number) {
    this.#countedMax = countedMax
  }

  of(slice: Slice, isPrepared: (key: string) => boolean): Part[] {
    const { content, groups, policies } = slice
    if (isPrepared(content)) return [{ key: content, places: [...policies.keys()], texts: undefined }]
    const filled = [groups.always, groups.action, groups.entity].filter(({ length }) => length > 0)
    const times = this.#count(content)
    if (times * (filled.length - 1) >= policies.length || filled.length === 1)
      return [partOf(slice, [...policies.keys()])]
    return filled.map((places) => {
      const part = partOf(slice, places)
      return places === groups.entity && times === 1 ? { ...part, key: undefined } : part
    })
  }

  #count(content: string): number {
    const times = (this.#timesAsked.get(content) ?? 0) + 1
    this.#timesAsked.delete(content)
    const [oldest] = this.#timesAsked.keys()
    if (oldest !== undefined && this.#timesAsked.size >= this.#countedMax) this.#timesAsked.delete(oldest)
    this.#timesAsked.set(content, times)
    return times
  }
}

/** How it is put to the thread for large sets: the same, and so many at once that a change of one policy prepares few anew. */
export function largeParts(slice: Slice): Part[] {
  const { always, action, entity } = slice.groups
  return [always, action, entity].flatMap((places) => {
    const count = Math.ceil(places.length / largePartMax)
    return Array.from({ length: count }, (_, index) =>
      partOf(slice, places.slice(index * largePartMax, (index + 1) * largePartMax)),
    )
  })
}

/** Requests up to this size take no time to speak of to compare; an ordinary one has a quarter of it. */
const ordinaryCharacters = 4_096

/**
 * About how long an evaluation takes at the worst, as measured: each policy and each node takes its time; comparing takes as
 * long as what is compared, and a `like` as long as its pattern times the text.
 */
export function estimateMicroseconds(slice: Slice, request: CedarRequest): number {
  const { policies, nodes, likeCharacters } = slice
  const fixed = policies.length * 2 + nodes * 0.4
  const written = JSON.stringify([request.context, request.entities])
  const toCompare = Math.max(0, written.length - ordinaryCharacters) * nodes * 0.0005
  return fixed + toCompare + (likeCharacters > 0 ? longestText(written) * likeCharacters * 0.002 : 0)
}

/** A `like` looks at one text, so at the longest at the worst. */
function longestText(written: string): number {
  return Math.max(...written.split('"').map(({ length }) => length))
}

/** The part of a whole slice has the slice's own key. */
function partOf({ policies, digests }: Slice, places: readonly number[]): Part {
  return {
    key: digestOf(places.map((place) => digests[place])),
    places,
    texts: places.map((place) => policies[place]?.cedar ?? ''),
  }
}
