import { isNestedDeeper } from '../../lib/nesting.ts'
import type { CedarJson, CedarRequest } from './cedar-json.ts'
import { contextDepthMax } from './policy-limits.ts'

/**
 * Why the library could not read a request's context, or undefined. Asked first: too deep a context traps it, and what no
 * policy reads must be as good as what one does.
 */
export function unreadable({ context }: CedarRequest): string | undefined {
  if (isNestedDeeper(context, contextDepthMax)) return 'the context is too deep'
  return holdsFraction(context) ? 'the context holds a number that is no safe integer' : undefined
}

function holdsFraction(value: CedarJson): boolean {
  if (typeof value === 'number') return !Number.isSafeInteger(value)
  return typeof value === 'object' && Object.values(value).some(holdsFraction)
}
