/** Deepest body of a request: above what any operation takes. Nothing that descends by recursion reads a deeper one. */
export const bodyDepthMax = 32

/**
 * Whether lists and objects lie within each other more than `depthMax` deep.
 *
 * It goes no deeper than the limit itself: a hostile value cannot exhaust our own stack.
 */
export function isNestedDeeper(value: unknown, depthMax: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depthMax === 0 || Object.values(value).some((member) => isNestedDeeper(member, depthMax - 1))
}
