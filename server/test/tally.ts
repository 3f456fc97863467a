import type { Answer } from './test-api.ts'

/** How many of some answers have which status. */
export function tally(answers: ReadonlyArray<Pick<Answer, 'status'>>): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
