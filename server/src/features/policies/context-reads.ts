import type { CedarJson } from './cedar-json.ts'
import type { ReadPath } from './syntax-paths.ts'

/** What some policies together read of the context. */
export interface ContextReads {
  /** False: they use the context as a whole, or the clock, so no answer of theirs is another's. */
  readonly isBounded: boolean
  /** From the context inward, none beginning with another. */
  readonly paths: readonly ReadPath[]
}

/** Beyond so many, the whole of what the caller sent is looked at instead: it is quicker. */
const pathsMax = 32

export function joinReads(paths: Iterable<ReadPath>): ContextReads {
  const ofContext: ReadPath[] = []
  for (const [variable, ...path] of paths) if (variable === 'context') ofContext.push(path)
  if (ofContext.some((path) => path.length === 0 || path[0] === 'now')) return { isBounded: false, paths: [] }

  const outermost = withoutLonger(ofContext)
  if (outermost.length <= pathsMax) return { isBounded: true, paths: outermost }
  return { isBounded: true, paths: withoutLonger(outermost.map((path) => path.slice(0, 1))) }
}

/**
 * What lies at a path, so that two contexts that give the same are the same to who reads no further. Where the path ends
 * early, it is told how far it goes and what lies there.
 */
export function valueAt(context: Readonly<Record<string, CedarJson>>, path: ReadPath): readonly [number, CedarJson?] {
  let value: CedarJson = context
  for (const [depth, name] of path.entries()) {
    // A reference or extension is one value: what its attributes are, stands among the entities.
    if (!isRecord(value)) return [depth, value]
    const next: CedarJson | undefined = Object.hasOwn(value, name) ? value[name] : undefined
    if (next === undefined) return [depth]
    value = next
  }
  return [path.length, value]
}

function withoutLonger(paths: readonly ReadPath[]): ReadPath[] {
  const kept: ReadPath[] = []
  const known = new Set<string>()
  for (const path of paths.toSorted((one, other) => one.length - other.length)) {
    if (path.some((_, depth) => known.has(JSON.stringify(path.slice(0, depth + 1))))) continue
    known.add(JSON.stringify(path))
    kept.push(path)
  }
  return kept
}

function isRecord(value: CedarJson): value is { [key: string]: CedarJson } {
  if (typeof value !== 'object' || Array.isArray(value)) return false
  return !['__entity', '__extn', '__expr'].some((mark) => Object.hasOwn(value, mark))
}
