import { loadCedar, type Cedar } from './cedar-instance.ts'
import { readFacts } from './policy-facts.ts'
import { pathText } from './syntax-paths.ts'

let cedar: Cedar | undefined

/**
 * What a stored policy reads, as it is written there: `principal.trustScore`, `resource.attributes.owner`,
 * `context.request.purpose`. A variable by itself is used as a whole. Its library is apart from the one that decides.
 */
export function policyPaths(text: string): string[] {
  try {
    cedar ??= loadCedar()
    return readFacts(cedar, text).paths.map(pathText).toSorted()
  } catch (error) {
    // It may have trapped, and would answer nobody again.
    cedar = undefined
    throw error
  }
}
