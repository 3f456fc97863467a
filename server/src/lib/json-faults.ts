/** What a parsed JSON value may have at the most. */
export interface JsonBounds {
  /** Lists and objects within each other. */
  readonly depthMax: number
  /** Values at any depth together. */
  readonly valuesMax: number
}

/**
 * Why a parsed JSON value is refused: too deep, too many values, or a key that sets a prototype where it is copied.
 * It stops at the first fault and goes no deeper than the limit, so a hostile value cannot exhaust our stack.
 */
export function findJsonFault(value: unknown, { depthMax, valuesMax }: JsonBounds): string | undefined {
  let values = 0
  const visit = (each: unknown, depth: number): string | undefined => {
    if (++values > valuesMax) return `has more than ${valuesMax} values; send less at once`
    if (typeof each !== 'object' || each === null) return undefined
    if (depth === depthMax) return `is nested deeper than ${depthMax}; send it flatter`
    if (!Array.isArray(each) && setsPrototype(each)) return 'has a key named __proto__ or constructor'
    for (const member of Object.values(each)) {
      const fault = visit(member, depth + 1)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  return visit(value, 0)
}

function setsPrototype(value: object): boolean {
  if (Object.hasOwn(value, '__proto__')) return true
  if (!Object.hasOwn(value, 'constructor')) return false
  const named: unknown = value.constructor
  return typeof named === 'object' && named !== null && Object.hasOwn(named, 'prototype')
}
