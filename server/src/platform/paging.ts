import type { Id, IdKind } from '@agent-iam/contract/ids'
import { isId } from './ids.ts'
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

/** Where the page before of a list by id ended; undefined for the first page. */
export function readIdCursor<Kind extends IdKind>(kind: Kind, cursor: string | undefined): Id<Kind> | undefined {
  const id = cursor === undefined ? undefined : decodeCursor(cursor, 1)[0]
  if (id === undefined || isId(kind, id)) return id
  throw ofAnotherList()
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The same for a list of ids of several kinds, by what the database has. */
export function readUuidCursor(cursor: string | undefined): string | undefined {
  const id = cursor === undefined ? undefined : decodeCursor(cursor, 1)[0]
  if (id === undefined || uuid.test(id)) return id
  throw ofAnotherList()
}

/** The same for a list by name, in which an id, as the database has it, tells those of one name apart. */
export function readNameCursor(cursor: string | undefined): [name: string, id: string] | undefined {
  if (cursor === undefined) return undefined
  const [name = '', id = ''] = decodeCursor(cursor, 2)
  if (!uuid.test(id)) throw ofAnotherList()
  return [name, id]
}

/** The refusal of a cursor that another list gave. */
export function ofAnotherList(): Problem {
  return new Problem('invalid-request', 'cursor: is of another list')
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
