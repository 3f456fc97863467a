/**
 * Whether lists and objects lie within each other more than `depthMax` deep.
 *
 * Level by level, stopping at the limit: a hostile value cannot exhaust our own stack.
 */
export function isNestedDeeper(value: unknown, depthMax: number): boolean {
  let level = [value].filter(isContainer)
  for (let depth = 0; depth < depthMax && level.length > 0; depth += 1)
    level = level.flatMap((container) => Object.values(container).filter(isContainer))
  return level.length > 0
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
