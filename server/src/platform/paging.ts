import { Problem } from './problem.ts'

/** The opaque cursor of the next page: where the last row of this one stood. */
export function encodeCursor(position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

/** Reads a cursor of so many parts; anything else was not made here. */
export function decodeCursor(cursor: string, parts: number): string[] {
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(position) && position.length === parts && position.every(isPart)) return position.map(String)
  } catch {
    // Falls through: whatever it is, it is no cursor of ours.
  }
  throw new Problem('invalid-request', 'cursor: use the nextCursor of the page before, unchanged')
}

/** No row stands at what the database cannot keep, so no page ended there. */
function isPart(part: unknown): boolean {
  if (typeof part === 'number') return true
  return typeof part === 'string' && part.isWellFormed() && !part.includes('\u0000')
}

/** A page of rows, of which one more than asked for was fetched, and the cursor of the next. */
export function toPage<Row>(
  rows: readonly Row[],
  limit: number,
  position: (row: Row) => readonly (string | number)[],
): { rows: Row[]; nextCursor: string | null } {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { rows: page, nextCursor: rows.length > limit && last ? encodeCursor(position(last)) : null }
}
